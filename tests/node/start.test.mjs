// What `npm start` shows once everything is built: the import when it is needed, a search in the
// terminal, the page until it is asked to end.
// budget: 15 s

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';

import { nearest, paragraphs, root } from '../browser/support/sotu.mjs';

const program = `
  import { main } from './scripts/lib/run.mjs';
  import { start } from './demo/start.mjs';
  await main(() => start(process.argv.slice(1)));
`;
const args = ['--input-type=module', '--eval', program, '--'];

const run = (...options) =>
  execFileSync('node', [...args, ...options], { cwd: root, encoding: 'utf8', stdio: 'pipe' });

/** Starts it with the page; `until` waits for a line, `ended` for the end. */
function started(...options) {
  const child = spawn('node', [...args, ...options], { cwd: root });
  let output = '';
  const ended = new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
  const until = (pattern) =>
    new Promise((resolve, reject) => {
      const look = () => pattern.test(output) && resolve(pattern.exec(output));
      child.stdout.on('data', (text) => {
        output += text;
        look();
      });
      ended.then(() => reject(new Error(`it ended: ${output}`)));
    });
  return { child, ended, until };
}

describe('npm start, once everything is built', { timeout: 120_000 }, () => {
  before(() => {
    execFileSync('node', ['scripts/build.mjs'], { cwd: root, stdio: 'pipe' });
  });

  test('imports the corpus once, and prints a search with its results', () => {
    rmSync(join(root, 'build', 'demo.stamp'), { force: true });
    const first = run('--no-page');
    assert.match(first, /Importing .*16,491 rows/s);
    const example = /--like (\S+) -k 5/.exec(first)[1];
    const truth = nearest(example, 5);
    const printed = [...first.matchAll(/^(\d) {2}([\d.]+) {2}(.+), (\d{4})$/gm)];
    assert.deepEqual(
      printed.map(([, rank]) => rank),
      ['1', '2', '3', '4', '5'],
    );
    const { president, year } = paragraphs.find(({ id }) => id === truth[0].id);
    assert.deepEqual(printed[0].slice(3), [president, String(year)]);
    assert.equal(printed[0][2], (1 - truth[0].distance).toFixed(3));
    assert.doesNotMatch(run('--no-page'), /Importing/);
  });

  test('a database that cannot be read is made again', () => {
    rmSync(join(root, 'build', 'demo.veer'), { recursive: true, force: true });
    assert.match(run('--no-page'), /Importing .*16,491 rows/s);
  });

  for (const signal of ['SIGINT', 'SIGTERM']) {
    test(`serves the page until ${signal}, and ends cleanly`, async () => {
      const service = started('--port', '0');
      const [, url] = await service.until(/The demo page: (http:\S+)/);
      const response = await fetch(url);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /State of the Union/);
      service.child.kill(signal);
      const { code, output } = await service.ended;
      assert.equal(code, 0);
      assert.match(output, /Ended\.\n$/);
    });
  }

  test('options that it does not know are named, and those that it has', () => {
    const cases = [
      [['--prot', '1'], /Unknown option --prot; there are --port N and --no-page/],
      [['--port'], /--port takes a number/],
      [['--port', '70000'], /--port takes a number/],
      [['--port=x'], /--port takes a number/],
    ];
    for (const [options, message] of cases) {
      assert.throws(
        () => run(...options),
        ({ status, stderr }) => status === 1 && message.test(stderr),
      );
    }
  });
});
