// The quick starts of README.md work exactly as they are printed: their code blocks are taken out,
// run in a folder beside the checkout, and say what the README says they say.
// budget: 40 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';

import { root } from '../../scripts/lib/run.mjs';
import { temporary } from './support/temporary.mjs';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The blocks of a section: [{language, code}]. */
function blocks(title) {
  const section = readme.split(/^(?=#{2,3} )/m).find((text) => text.startsWith(`### ${title}\n`));
  assert.ok(section, `the README has a section ${title}`);
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, code]) => ({
    language,
    code,
  }));
}

describe('the quick start', { timeout: 300_000 }, () => {
  const { folder } = temporary('readme');
  const project = join(folder, 'project');
  const environment = { ...process.env, npm_config_offline: 'true', npm_config_audit: 'false' };
  const options = { cwd: project, encoding: 'utf8', env: environment };
  const shell = (code) => execFileSync('bash', ['-euc', code], options);

  before(() => {
    execFileSync('node', ['scripts/build.mjs'], { cwd: root, stdio: 'pipe' });
    mkdirSync(project);
    symlinkSync(root, join(folder, 'veer'));
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  });

  test('in TypeScript: it installs, compiles under strict rules, and runs', () => {
    const [install, program, output] = blocks('TypeScript');
    assert.deepEqual([install.language, program.language, output.language], ['sh', 'ts', 'text']);
    shell(install.code);
    writeFileSync(join(project, 'notes.ts'), program.code);
    writeFileSync(join(project, 'notes.mjs'), program.code);
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
    const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node'];
    execFileSync('node', [tsc, ...flags, ...types, 'notes.ts'], options);
    assert.equal(execFileSync('node', ['notes.mjs'], options), output.code);
    assert.ok(existsSync(join(project, 'notes.veer')));
    assert.equal(execFileSync('node', ['notes.mjs'], options), output.code, 'and once more');
  });

  test('in TypeScript: a wrong field does not compile', () => {
    const [, { code }] = blocks('TypeScript');
    const wrong = code.replace('year: { $gte: 1850 }', 'years: { $gte: 1850 }');
    assert.notEqual(wrong, code);
    writeFileSync(join(project, 'wrong.ts'), wrong);
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
    assert.throws(
      () => execFileSync('node', [tsc, ...flags, 'wrong.ts'], { ...options, stdio: 'pipe' }),
      ({ stdout }) => /years/.test(stdout),
    );
  });

  test('in C: it compiles without a warning, and runs', () => {
    const [program, build, output] = blocks('C');
    assert.deepEqual([program.language, build.language, output.language], ['c', 'sh', 'text']);
    writeFileSync(join(project, 'notes.c'), program.code);
    assert.ok(shell(build.code).endsWith(output.code));
    const strict = ['-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Werror', '-fsyntax-only'];
    execFileSync('cc', ['-std=c11', ...strict, '-Iinstalled/include', 'notes.c'], options);
    assert.equal(execFileSync('./notes', options), output.code, 'and once more');
  });

  test('on the command line', () => {
    const [commands, output] = blocks('Command line');
    assert.deepEqual([commands.language, output.language], ['sh', 'text']);
    const printed = shell(commands.code);
    assert.ok(printed.endsWith(output.code), printed);
  });

  test('documents that the README links to are there', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path);
    assert.ok(links.length >= 5);
    assert.deepEqual(
      links.filter((path) => !existsSync(join(root, path))),
      [],
    );
  });
});
