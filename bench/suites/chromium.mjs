// The package of dist/ in Chromium: its two modules side by side, scanning and with a graph, at the
// index level, by the wall clock of a page. Left out where Chromium is not there.

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { at } from '../../scripts/lib/build.mjs';

export const sets = ['apt-lsa-384', 'apt-lsa-60k-384'];

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const QUERIES = 500;

/** Serves dist/ and the set's files; isolated, so that the page's clock is a fine one. */
async function serve({ base, queries }) {
  const files = { '/base': base, '/queries': queries };
  const types = { js: 'text/javascript', wasm: 'application/wasm' };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    const file = files[pathname] ?? at(`.${pathname}`);
    const isPage = pathname === '/';
    if (!isPage && !(files[pathname] ?? (pathname.startsWith('/dist/') && existsSync(file)))) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader(
      'content-type',
      isPage ? 'text/html' : (types[file.split('.').at(-1)] ?? ''),
    );
    response.end(isPage ? '<!doctype html><title>bench</title>' : readFileSync(file));
  });
  await once(server.listen(0), 'listening');
  return server;
}

/** Runs in the page. */
async function inPage({ rounds, limit, k, metric, isBytes }) {
  const { VectorIndex, init } = await import('/dist/index.js');
  async function read(path, Kind, each) {
    const bytes = await (await fetch(path)).arrayBuffer();
    const dims = new DataView(bytes).getInt32(0, true);
    const rows = bytes.byteLength / (4 + each * dims);
    const values = new Float32Array(rows * dims);
    const all = new Kind(bytes);
    const head = 4 / each;
    for (let i = 0; i < rows; i++) {
      values.set(all.subarray(i * (dims + head) + head, (i + 1) * (dims + head)), i * dims);
    }
    return { dims, rows, row: (i) => values.subarray(i * dims, (i + 1) * dims), values };
  }
  const [Kind, each] = isBytes ? [Uint8Array, 1] : [Float32Array, 4];
  const [base, queries] = [await read('/base', Kind, each), await read('/queries', Kind, each)];
  const asked = Math.min(queries.rows, limit);
  const keys = BigUint64Array.from({ length: base.rows }, (_, i) => BigInt(i));
  const settings = [];
  for (const simd of ['simd128', 'relaxed']) {
    await init({ simd });
    for (const kind of ['graph', 'scan']) {
      const graphRows = kind === 'graph' ? 1 : 0;
      const index = await VectorIndex.create({ dims: base.dims, metric, graphRows });
      const start = performance.now();
      index.add(keys, base.values);
      index.optimize();
      const build_s = (performance.now() - start) / 1e3;
      for (const recall of [0.8, 0.9, 0.95, 0.98, 0.99]) {
        settings.push({ simd, kind, recall, index, build_s, wall: [], latencies: [] });
      }
    }
  }
  /** A row as near as the k-th true one counts: exact search knows how near that is. */
  const exact = settings[0].index;
  const limits = [];
  for (let i = 0; i < asked; i++) {
    const { distances } = exact.search(queries.row(i), k, { exact: true });
    limits.push(distances[k - 1] + 1e-6 * Math.max(1, Math.abs(distances[k - 1])));
  }
  for (let round = -1; round < rounds; round++) {
    for (const setting of settings) {
      const { index, recall, wall, latencies } = setting;
      let found = 0;
      const start = performance.now();
      let before = start;
      for (let i = 0; i < asked; i++) {
        const { distances } = index.search(queries.row(i), k, { recall });
        if (round < 0) found += distances.filter((distance) => distance <= limits[i]).length;
        const after = performance.now();
        if (round >= 0) latencies.push(1000 * (after - before));
        before = after;
      }
      if (round < 0) setting.found = found / (k * asked);
      else wall.push((1e3 * asked) / (before - start));
    }
  }
  return settings.map(({ index, latencies, ...setting }) => {
    latencies.sort((a, b) => a - b);
    const quantile = (p) =>
      latencies[Math.min(latencies.length - 1, Math.floor(p * latencies.length))];
    const figures = { p50_us: quantile(0.5), p99_us: quantile(0.99), bytes_memory: index.memory };
    return { ...setting, ...figures, rows: base.rows, dims: base.dims, queries: asked };
  });
}

export async function run({ set, rounds, limit, say }) {
  if (!existsSync(executablePath)) {
    say(`${executablePath} is not there: left out`);
    return [];
  }
  const { chromium } = await import('playwright-core');
  const server = await serve(set);
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${server.address().port}/`);
    const given = {
      rounds,
      k: 10,
      metric: set.metric,
      limit: limit > 0 ? limit : QUERIES,
      isBytes: set.base.endsWith('.bvecs'),
    };
    const version = browser.version();
    const lines = await page.evaluate(inPage, given);
    const rounded = (value) => Number(value.toPrecision(5));
    return lines.map(({ simd, kind, recall, found, wall, p50_us, p99_us, ...line }) => ({
      engine: `veer-index (${simd}, ${kind})`,
      setting: `recall=${recall}`,
      asked: recall,
      recall: found,
      qps_rounds: wall.map(rounded),
      wall_qps_rounds: wall.map(rounded),
      p50_us: rounded(p50_us),
      p99_us: rounded(p99_us),
      k: 10,
      tier: simd,
      browser: `Chromium ${version}`,
      ...line,
    }));
  } finally {
    await browser.close();
    server.close();
  }
}
