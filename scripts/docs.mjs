#!/usr/bin/env node
// Writes docs/API.md from what it documents: src/veer.h, types/*.d.ts, and the option tables of the
// engine. `node scripts/docs.mjs --check` says whether the file is up to date.

import { readFileSync, writeFileSync } from 'node:fs';
import { main } from './lib/run.mjs';

const read = (file) => readFileSync(file, 'utf8');

/** The text of a C comment, as lines without their stars. */
const commentLines = (comment) =>
  comment
    .replace(/^\s*\/\*+ ?/, '')
    .replace(/\s*\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''));

/** A comment as Markdown: prose lines run together, lines that are set off keep their form. */
const prose = (comment) => {
  const blocks = [];
  for (const line of commentLines(comment)) {
    const isSetOff = /^ {2,}/.test(line);
    const last = blocks.at(-1);
    if (line.trim() === '') blocks.push({ isSetOff: false, lines: [] });
    else if (last && last.isSetOff === isSetOff && last.lines.length) last.lines.push(line);
    else blocks.push({ isSetOff, lines: [line] });
  }
  return blocks
    .filter((block) => block.lines.length)
    .map((block) =>
      block.isSetOff
        ? ['```', ...block.lines, '```'].join('\n')
        : block.lines.map((line) => line.trim()).join(' '),
    )
    .join('\n\n');
};

/** Splits the header into headings, comments and runs of declarations. */
function headerParts(text) {
  const body = text.slice(text.indexOf('*/') + 2, text.lastIndexOf('#ifdef __cplusplus'));
  const parts = [];
  let code = [];
  const flush = () => {
    const joined = code.join('\n').trim();
    if (joined) parts.push({ kind: 'code', text: joined });
    code = [];
  };
  const lines = body.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const heading = /^\/\* -{4,} (.+) \*\/$/.exec(lines[i]);
    const subheading = /^\/\* -{4} (.+) \*\/$/.exec(lines[i]);
    if (subheading || heading) {
      flush();
      parts.push({
        kind: lines[i].startsWith('/* ---- ') ? 'subheading' : 'heading',
        text: (subheading ?? heading)[1].replace(/^-+ /, ''),
      });
    } else if (lines[i].startsWith('/*')) {
      flush();
      const comment = [lines[i]];
      while (!comment.at(-1).includes('*/')) comment.push(lines[++i]);
      parts.push({ kind: 'comment', text: comment.join('\n') });
    } else code.push(lines[i]);
  }
  flush();
  return parts;
}

const isNoise = (code) => /^#(ifdef|if|include|endif|else|undef|define VEER_API)/.test(code);

function cReference() {
  const header = read('src/veer.h');
  const first = header.slice(0, header.indexOf('*/') + 2);
  const out = [prose(first)];
  for (const part of headerParts(header)) {
    if (part.kind === 'heading') out.push(`### ${part.text}`);
    else if (part.kind === 'subheading') out.push(`#### ${part.text}`);
    else if (part.kind === 'comment') out.push(prose(part.text));
    else {
      const code = part.text
        .split(/\n(?=#)|(?<=^#.*)\n/m)
        .filter((piece) => !isNoise(piece))
        .join('\n')
        .replace(/^VEER_API /gm, '')
        .replace(/^#define VEER_H$|^extern "C" \{$/gm, '')
        .replace(/\n{3,}/g, '\n\n')
        .trim();
      if (code) out.push('```c\n' + code + '\n```');
    }
  }
  return out.join('\n\n');
}

const optionTitles = {
  DATABASE_OPTIONS: 'Opening a database',
  REQUEST_OPTIONS: 'A search request (beside "filter" and "select")',
  SCAN_OPTIONS: 'A scan (beside "filter" and "select")',
  INDEX_OPTIONS: 'An index',
};

/** One macro list of src/engine/options_table.h as rows of a table. */
function optionRows(list) {
  const joined = list.replace(/\\\n/g, ' ').replace(/"\s+"/g, '');
  const rows = [];
  for (const [, kind, args] of joined.matchAll(
    /\b(BOOL|INTEGER|NUMBER|CHOICE|TEXT)\(((?:[^()"]|"[^"]*"|\([^()]*\))*)\)/g,
  )) {
    const values = args.match(/"[^"]*"|\([^()]*\)|[^,\s][^,]*/g).map((value) => value.trim());
    const text = (value) => value.replace(/^"|"$/g, '').replaceAll('|', '\\|');
    const doc = text(values.at(-1));
    const key = text(values[1]);
    if (kind === 'BOOL') rows.push([key, 'boolean', text(values[3]), doc]);
    else if (kind === 'TEXT') rows.push([key, 'text', '', doc]);
    else if (kind === 'CHOICE')
      rows.push([key, values[6].replace(/[()]/g, '').replaceAll('"', '`'), text(values[4]), doc]);
    else rows.push([key, `${values[3]} to ${values[4]}`, values[5], doc]);
  }
  return rows;
}

function options() {
  const table = read('src/engine/options_table.h');
  const [, metrics] = table.match(/#define METRIC_NAMES[ \t]*\\\n((?:.*\\\n)*.*)/);
  const source = table.replaceAll(' METRIC_NAMES,', ` ${metrics.replace(/\\\n\s*/g, '').trim()},`);
  const constants = new Map();
  // The native values come last; WebAssembly's smaller ones are named beside them.
  for (const [, name, value] of source.matchAll(/#define (OPTION_\w+) (\d+)/g))
    constants.set(name, [...(constants.get(name) ?? []), value]);
  const resolve = (cell) =>
    cell.replace(/OPTION_\w+/g, (name) => {
      const values = constants.get(name) ?? [name];
      return values.length > 1 ? `${values.at(-1)} (WebAssembly ${values[0]})` : values[0];
    });
  const out = [];
  for (const [, name, list] of source.matchAll(
    /#define (\w+_OPTIONS)\([^)]*\)[ \t]*\\\n((?:.*\\\n)*.*\n)/g,
  )) {
    out.push(`### ${optionTitles[name] ?? name}`);
    out.push(
      [
        '| key | values | default | meaning |',
        '|---|---|---|---|',
        ...optionRows(list).map(
          (row) =>
            `| ${row
              .map(resolve)
              .map((cell, i) => (i === 0 ? `\`${cell}\`` : cell))
              .join(' | ')} |`,
        ),
      ].join('\n'),
    );
  }
  return out.join('\n\n');
}

const typeFiles = [
  'index',
  'database',
  'collection',
  'schema',
  'filter',
  'snapshot',
  'vector_index',
  'options',
  'errors',
];

function typescriptReference() {
  return typeFiles
    .map((name) => {
      const text = read(`types/${name}.d.ts`).trim();
      const title = /^\/\/ (.+)$/m.exec(text)?.[1] ?? name;
      return `### \`${name}\`\n\n${title}\n\n\`\`\`ts\n${text.replace(/^\/\/.*\n+/, '')}\n\`\`\``;
    })
    .join('\n\n');
}

const page = () => `# The API

Made by \`node scripts/docs.mjs\` from \`src/veer.h\`, \`types/\` and the option tables: change those, not this page. The command line explains itself: \`veer help\`.

* [TypeScript](#typescript)
* [C](#c)
* [Options](#options)

## TypeScript

${typescriptReference()}

## C

${cReference()}

## Options

The same in C (JSON), on the command line and in TypeScript.

${options()}
`;

await main(() => {
  const wanted = page();
  if (!process.argv.includes('--check')) return writeFileSync('docs/API.md', wanted);
  if (read('docs/API.md') !== wanted)
    throw new Error('docs/API.md is not up to date: run `node scripts/docs.mjs`');
});
