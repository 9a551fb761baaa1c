// The command line's JSON reader against JSON.parse: it accepts the same texts and reads the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folder, ok, okJson, random, run } from './harness.mjs';

/** Whether the reader takes the text: --params is read before the database is looked for. */
function accepts(text) {
  const { status, stderr } = run(['count', 'no-such-database', '--params', text]);
  assert.equal(status, 1);
  const code = /\[(\w+)\]$/m.exec(stderr)?.[1];
  assert.ok(['SYNTAX', 'TYPE', 'NOTFOUND'].includes(code), stderr);
  return code !== 'SYNTAX';
}

function parses(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('texts on the edge of the grammar', () => {
  const texts = [
    '',
    ' ',
    '[]',
    ' [ ] ',
    '[1,]',
    '[,1]',
    '[1 2]',
    '{}',
    '{"a":1,}',
    '{"a"}',
    '{a:1}',
    "{'a':1}",
    '{"a":1 "b":2}',
    '{"a":1}}',
    '[[]',
    '[]]',
    '[}',
    '{]',
    'true',
    'tru',
    'truee',
    'nulll',
    'NaN',
    'Infinity',
    '-',
    '-0',
    '-0.0e-0',
    '01',
    '1.',
    '.5',
    '1e',
    '1e+',
    '1E5',
    '+1',
    '0x10',
    '"',
    '"\\"',
    '"\\u12"',
    '"\\u123g"',
    '"\\ud800"',
    '"\\x"',
    '"\\/"',
    '"a\tb"',
    '"a\nb"',
    '"\u007f"',
    '\ufeff[]',
    '[]\u00a0',
    '[1]//',
    `${'['.repeat(256)}${']'.repeat(256)}`,
    '[{"a":[{"b":[]}]}]',
  ];
  for (const text of texts) assert.equal(accepts(text), parses(text), JSON.stringify(text));
});

test('nesting beyond 256 levels is refused, not overflowed', () => {
  assert.equal(accepts(`${'['.repeat(257)}${']'.repeat(257)}`), false);
  assert.equal(accepts('['.repeat(100_000)), false);
  assert.equal(accepts('{"a":'.repeat(10_000)), false);
});

test('400 random edits of valid texts', () => {
  const next = random(61);
  const seeds = [
    '{"id":"a","v":[1,-2.5e3,0.1],"t":"x\\u00e9\\n","n":null,"b":[true,false,{}]}',
    '[[],{},"",0,-1e-9,{"k":{"k":[{"k":"v"}]}}]',
    '["\\ud83d\\ude00","\\\\\\"",1.5E+10]',
  ];
  const alphabet = '[]{}",:\\u0123eE+-. tfn\n'.split('');
  for (let i = 0; i < 400; i++) {
    const text = seeds[i % seeds.length].split('');
    for (let edits = 1 + (i % 3); edits > 0; edits--) {
      const at = Math.floor(next() * text.length);
      const letter = alphabet[Math.floor(next() * alphabet.length)];
      text.splice(at, Math.floor(next() * 2), ...(next() < 0.7 ? [letter] : []));
    }
    const edited = text.join('');
    assert.equal(accepts(edited), parses(edited), JSON.stringify(edited));
  }
});

test('an id in any spelling of its escapes is the id', (t) => {
  const { path } = folder(t);
  const ids = ['plain', 'é', '😀', 'a"b\\c/d', '\u0000\u001f', 'tab\t', '日本'];
  const escaped = (id) =>
    `"${[...Array(id.length).keys()]
      .map((i) => `\\u${id.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join('')}"`;
  const input = ids.map((id, i) => `{"id":${i % 2 ? escaped(id) : JSON.stringify(id)}}\n`).join('');
  ok(['import', path('db'), '-', '--create', '--dims', '2'], { input });
  for (const id of ids.filter((text) => !text.includes('\u0000'))) {
    assert.equal(okJson(['get', path('db'), id]).id, id);
  }
  assert.equal(ok(['count', path('db')]), `${ids.length}\n`);
});
