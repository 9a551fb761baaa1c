// Recall against queries a second as SVG: a line an engine. Speed has a logarithmic scale, and so has
// what recall lacks of 1, because that is where engines differ.

import { engines, of } from './tables.mjs';

const width = 640;
const height = 400;
const left = 70;
const right = 20;
const top = 40;
const bottom = 50;
const recalls = [0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
const lowest = recalls[0];
const highest = 0.9995; // more is drawn there
const colours = ['#0b6e99', '#d9730d', '#448361', '#9065b0', '#787774'];

const text = (x, y, anchor, content, extra = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${extra}>${content}</text>`;
const line = (x1, y1, x2, y2) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`;

/** Numbers 1, 2 and 5 times a power of ten that enclose `from` to `to`. */
function ticks(from, to) {
  const all = [];
  for (let power = 0; power < 9; power++) all.push(...[1, 2, 5].map((x) => x * 10 ** power));
  const first = all.findLastIndex((tick) => tick <= from);
  const last = all.findIndex((tick) => tick >= to);
  return all.slice(Math.max(first, 0), last + 1);
}

/** The chart of one set's measurements, as the text of an SVG file. */
export function chart(set, lines) {
  const points = lines.filter(({ recall, qps }) => recall >= lowest && qps > 0);
  if (points.length === 0) return '<svg xmlns="http://www.w3.org/2000/svg"/>\n';
  const speeds = points.map(({ qps }) => qps);
  const scale = ticks(Math.max(1, Math.min(...speeds)), Math.max(...speeds));
  const [low, high] = [Math.log(scale[0]), Math.log(scale.at(-1))];
  const lack = (recall) => Math.log((1 - lowest) / (1 - Math.min(recall, highest)));
  const x = (recall) => left + (lack(recall) / lack(highest)) * (width - left - right);
  const y = (qps) =>
    height - bottom - ((Math.log(qps) - low) / (high - low || 1)) * (height - top - bottom);
  const parts = [];
  for (const tick of scale) {
    parts.push(line(left, y(tick), width - right, y(tick)));
    parts.push(text(left - 8, y(tick) + 4, 'end', tick.toLocaleString('en-US')));
  }
  for (const recall of recalls) {
    parts.push(line(x(recall), top, x(recall), height - bottom));
    parts.push(text(x(recall), height - bottom + 18, 'middle', String(recall)));
  }
  const axis = (left + width - right) / 2;
  parts.push(text(axis, height - 12, 'middle', 'recall@10'));
  parts.push(text(left, 22, 'start', `${set}: queries a second (CPU, one thread)`));
  engines(points).forEach((engine, place) => {
    const colour = colours[place % colours.length];
    const own = of(points, engine).sort((a, b) => a.recall - b.recall || b.qps - a.qps);
    const places = own.map(({ recall, qps }) => `${x(recall).toFixed(1)},${y(qps).toFixed(1)}`);
    parts.push(
      `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...places.map((at) => {
        const [cx, cy] = at.split(',');
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
      }),
      text(left + 10, height - bottom - 12 - 18 * place, 'start', engine, ` fill="${colour}"`),
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}
