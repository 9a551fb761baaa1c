// What `npm start` shows once everything is built: a search in the terminal, then the demo page.
//
//   npm start -- [--port N] [--no-page]

import { relative } from 'node:path';
import { styleText } from 'node:util';
import { root, ScriptError } from '../scripts/lib/run.mjs';
import { database, importCorpus, search } from './corpus.mjs';
import { serve } from './serve.mjs';

/** Theodore Roosevelt, 1901, on forest reserves. */
const EXAMPLE = 'sotu-1901-113-049';
const K = 5;

function options(args) {
  const wanted = { port: 8484, page: true };
  for (let i = 0; i < args.length; i++) {
    const [name, value = args[i + 1]] = args[i].split('=');
    if (name === '--no-page') {
      wanted.page = false;
    } else if (name === '--port') {
      wanted.port = Number(value);
      if (!/^\d+$/.test(value ?? '') || wanted.port > 65535) {
        throw new ScriptError('--port takes a number from 0 (any that is free) to 65535.');
      }
      if (!args[i].includes('=')) i++;
    } else {
      throw new ScriptError(`Unknown option ${args[i]}; there are --port N and --no-page.`);
    }
  }
  return wanted;
}

const isTerminal = () => process.stdout.isTTY && !process.env.NO_COLOR;
const styled = (style, text) => (isTerminal() ? styleText(style, text) : text);

/** Text cut into lines of at most `width`, of which the first few are kept. */
function wrapped(text, width, linesMax) {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line && line.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  const kept = lines.slice(0, linesMax);
  if (lines.length > linesMax) kept[linesMax - 1] += ' ...';
  return kept;
}

function printSearch() {
  const { document, found } = search(EXAMPLE, K);
  // A terminal may say that it has no columns at all.
  const width = Math.max(40, Math.min(process.stdout.columns || 96, 110)) - 6;
  const print = ({ president, year, text }, lead, linesMax) => {
    console.log(`${lead}${styled('bold', president)}, ${year}`);
    for (const line of wrapped(text, width, linesMax)) console.log(`      ${line}`);
  };
  console.log(`\n$ veer search ${relative(root, database)} --like ${EXAMPLE} -k ${K}\n`);
  print(document, 'like  ', 4);
  console.log('');
  found.rows.forEach(({ score, document: row }, i) => {
    print(row, `${i + 1}  ${styled('cyan', score.toFixed(3))}  `, 3);
  });
  const took = `${(found.us / 1000).toFixed(2)} ms, ${found.visited.toLocaleString('en')} rows visited`;
  console.log(`\n${styled('dim', took)}`);
}

/** Resolves when the process is asked to end. */
const endOfService = () =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve);
  });

export async function start(args) {
  const { port, page } = options(args);
  importCorpus();
  printSearch();
  if (!page) return;
  const server = await serve({ port });
  const isOther = port !== 0 && server.port !== port;
  console.log(`\nThe demo page: ${styled('bold', server.url)}`);
  if (isOther) console.log(`(port ${port} is taken)`);
  console.log('Ctrl-C ends it.');
  await endOfService();
  await server.close();
  console.log('\nEnded.');
}
