// Help of every command, versions, and command lines that make no sense (exit code 2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binary, folder, misused, ok, run } from './harness.mjs';

const commands = [
  'create',
  'import',
  'export',
  'search',
  'get',
  'delete',
  'count',
  'info',
  'check',
  'optimize',
  'compact',
  'backup',
  'eval',
];

test('veer help names every command, and so does veer --help', () => {
  const general = ok(['help']);
  for (const command of commands) assert.match(general, new RegExp(`^  ${command} +\\S`, 'm'));
  assert.equal(ok(['--help']), general);
  assert.equal(ok(['-h']), general);
});

test('veer without arguments prints the same help as an error', () => {
  const { status, stdout, stderr } = run([]);
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.equal(stderr, ok(['help']));
});

test('--version prints version and kernel tier', () => {
  assert.match(ok(['--version']), /^veer \d+\.\d+\.\d+ \(\w+\)\n$/);
  assert.match(ok(['--version'], { env: { VEER_FORCE_TIER: 'scalar' } }), /\(scalar\)/);
});

for (const command of commands) {
  test(`veer ${command} --help: usage, options, examples, exit status; at most 80 columns`, () => {
    const page = ok([command, '--help']);
    assert.equal(ok(['help', command]), page);
    assert.equal(ok([command, '-h']), page);
    assert.match(page, new RegExp(`^veer ${command}: \\S`));
    for (const heading of ['Usage', 'Options', 'Examples', 'Exit status']) {
      assert.match(page, new RegExp(`^${heading}$`, 'm'));
    }
    for (const line of page.split('\n')) assert.ok(line.length <= 80, line);
    assert.doesNotMatch(page, /\u001b/);
  });
}

test('every example of the help uses options that exist', () => {
  for (const command of commands) {
    const options = new Set(
      [...ok([command, '--help']).matchAll(/^ {2}(?:-\w, )?(--?[\w-]+)/gm)].map(([, name]) => name),
    );
    const examples = ok([command, '--help']).split('Examples\n')[1];
    for (const [example] of examples.matchAll(new RegExp(`veer ${command} [^|\\n]*`, 'g'))) {
      for (const [name] of example.matchAll(/--[\w-]+/g)) {
        assert.ok(options.has(name), `${command}: ${name}`);
      }
    }
  }
});

test('a command or option with a slip is answered with the nearest one', () => {
  misused(['serach', 'db'], /unknown command "serach", did you mean search\?/);
  misused(['delte', 'db'], /did you mean delete\?/);
  misused(['create', 'db', '--dmis', '3'], /unknown option --dmis, did you mean --dims\?/);
  misused(['import', 'db', 'f.npy', '--vector=x'], /did you mean --vectors\?/);
  misused(['search', 'db', '-explain'], /did you mean --explain\?/);
  misused(['frobnicate'], /unknown command "frobnicate"$/m);
  misused(['create', 'db', '--zzzzzz'], /unknown option --zzzzzz$/m);
});

test('wrong values, missing values and missing arguments are named with what was expected', () => {
  misused(['create', 'db', '--dims'], /--dims needs a value: N/);
  misused(['create', 'db', '--dims', '0'], /--dims 0: expected an integer from 1 to 8192/);
  misused(['create', 'db', '--dims', '8193'], /from 1 to 8192/);
  misused(['create', 'db', '--dims', '12x'], /--dims 12x/);
  misused(['create', 'db', '--dims', '-3'], /--dims -3/);
  misused(
    ['create', 'db', '--dims=3', '--metric', 'l3'],
    /one of cosine\|dot\|l2\|manhattan\|.*\|jaccard\n/,
  );
  misused(['create', 'db'], /give --dims N, or --schema FILE/);
  misused(['create', 'db', '--dims=3', '--schema', 's.json'], /leave out --dims/);
  misused(['create', '--dims', '3'], /expected: veer create DB/);
  misused(['count', 'db', 'another'], /unexpected argument "another"/);
  misused(['search', 'db'], /give one of --vector JSON, --like ID, --queries FILE/);
  misused(['search', 'db', '--like', 'a', '--vector', '[1]'], /give one of/);
  misused(['search', 'db', '--like=a', '-k', '10001'], /-k 10001: .* from 1 to 10000/);
  misused(['search', 'db', '--like=a', '--recall', '1.5'], /above 0, at most 1/);
  misused(['search', 'db', '--like=a', '--recall', 'nan'], /expected a number/);
  misused(['search', 'db', '--like=a', '--json=yes'], /--json takes no value/);
  misused(['search', 'db', '--like=a', '--exact', '--recall', '0.9'], /leave out --recall/);
  misused(['search', 'db', '--like=a', '--exact', '--effort', '9'], /leave out --effort/);
  misused(['search', 'db', '--like=a', '--effort', '100001'], /an integer from 1 to 100000/);
  misused(['search', 'db', '--like=a', '--verify'], /give --explain too/);
  misused(['eval', 'db', '--queries', 'q.fvecs'], /give --queries FILE and --truth FILE/);
  const evaluated = ['eval', 'db', '-q', 'q.fvecs', '-t', 't.ivecs'];
  misused([...evaluated, '--filter', 'x = 1'], /leave out --truth/);
  misused([...evaluated, '--exact', '--effort', '9'], /leave out --effort/);
  misused([...evaluated, '--effort', '100001'], /an integer from 1 to 100000/);
  misused([...evaluated, '--sweep', '--exact'], /leave out --exact/);
  misused([...evaluated, '--sweep', '--recall', '0.9'], /leave out --recall/);
  misused([...evaluated, '--sweep=effort', '--effort', '9'], /leave out --effort/);
  misused([...evaluated, '--sweep=k'], /--sweep k: expected one of recall\|effort/);
  misused(['delete', 'db'], /give either ids or --filter/);
  misused(['delete', 'db', 'a', '--filter', 'x = 1'], /give either ids or --filter/);
  misused(['import', 'db', 'rows.dat'], /does not say its format, give --format/);
  misused(['import', 'db', 'rows.fvecs', '--metric', 'l2'], /go with --create/);
  misused(['import', 'db', 'a.csv', '--row-ids', '--id-field', 'x'], /exclude each other/);
  misused(['backup', 'db', '-'], /standard output cannot be one/);
  misused(['--frobnicate'], /unknown option --frobnicate before the command/);
  misused(['help', 'nothing'], /unknown command "nothing"/);
});

test('options stand anywhere, -- ends them, short ones take their value glued or apart', (t) => {
  const { path } = folder(t);
  const db = path('db');
  ok(['create', '--metric=l2', db, '--dims', '2']);
  ok(['import', db, '-', '--format', 'jsonl'], { input: '{"id":"--json","vector":[1,2]}\n' });
  assert.equal(ok(['get', db, '--select', 'id', '--', '--json']), '{"id":"--json"}\n');
  const one = ok(['search', db, '-k1', '--vector', '[1,2]']);
  assert.equal(ok(['search', '-k', '1', '--vector=[1,2]', db]), one);
});

test('the binary needs no library of ours at run time', async () => {
  const { readFileSync } = await import('node:fs');
  assert.equal(readFileSync(binary).includes('libveer.so'), false);
});
