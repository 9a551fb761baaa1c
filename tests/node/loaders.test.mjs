// Where the module comes from: every runtime's loader, what init() takes, and what is said when
// something else came instead.
// budget: 5 s

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { makeApi } from '../../dist/api.js';
import { browser } from '../../dist/platform_browser.js';
import { node } from '../../dist/platform_node.js';

const wasmUrl = new URL('../../dist/veer.wasm', import.meta.url);
const bytes = readFileSync(wasmUrl);
const relaxedUrl = new URL('../../dist/veer-relaxed.wasm', import.meta.url);
const hasRelaxed = WebAssembly.validate(readFileSync(relaxedUrl));
const chosenUrl = hasRelaxed ? relaxedUrl : wasmUrl;

async function tierOf(api) {
  const db = await api.open('memory:');
  const { tier } = await db.stats();
  await db.close();
  return tier;
}

async function works(api) {
  const db = await api.open('memory:', { create: true });
  assert.deepEqual(await db.collections(), []);
  await db.close();
}

describe('init', () => {
  test('without anything, and never', async () => {
    const api = makeApi(node);
    await works(api);
    await api.init();
    await works(makeApi(node));
  });
  test('bytes, an array buffer, a module, a URL, a path', async () => {
    const sources = [
      { bytes },
      { bytes: new Uint8Array(bytes).buffer },
      { module: await WebAssembly.compile(bytes) },
      { url: wasmUrl },
      { url: fileURLToPath(wasmUrl) },
    ];
    for (const source of sources) {
      const api = makeApi(node);
      await api.init(source);
      await works(api);
    }
  });
  test('a failure can be followed by success', async () => {
    const api = makeApi(node);
    await assert.rejects(api.init({ bytes: new Uint8Array(8) }), { code: 'UNSUPPORTED' });
    await api.init({ bytes });
    await works(api);
  });
  test('what is no module', async () => {
    const api = makeApi(node);
    await assert.rejects(api.init({ module: {} }), TypeError);
    await assert.rejects(api.init('veer.wasm'), TypeError);
    await assert.rejects(api.init({ url: './nowhere.wasm' }), { code: 'IO', message: /nowhere/ });
    const truncated = { bytes: bytes.subarray(0, 1000) };
    await assert.rejects(api.init(truncated), { code: 'UNSUPPORTED', message: /does not compile/ });
  });
});

describe('which module', () => {
  test('the one that the engine can run, or the one that was asked for', async () => {
    const api = makeApi(node);
    assert.equal(await tierOf(api), hasRelaxed ? 'relaxed' : 'simd128');
    await api.init({ simd: 'simd128' });
    assert.equal(await tierOf(api), 'simd128');
    await api.init({ simd: 'auto' });
    assert.equal(await tierOf(api), hasRelaxed ? 'relaxed' : 'simd128');
    await assert.rejects(api.init({ simd: 'avx2' }), { name: 'TypeError', field: 'simd' });
    if (process.env.VEER_EXPECT_TIER) assert.ok(hasRelaxed);
  });
  test('relaxed where there is none', { skip: hasRelaxed }, async () => {
    const api = makeApi(node);
    await assert.rejects(api.init({ simd: 'relaxed' }), { code: 'UNSUPPORTED' });
    await api.init({ simd: 'auto' });
    await works(api);
  });
  test('a worker gets the same', async () => {
    const api = makeApi(node);
    await api.init({ simd: 'simd128' });
    const db = await api.open('memory:', { worker: true });
    assert.equal((await db.stats()).tier, 'simd128');
    await db.close();
  });
  test(
    'veer.wasm takes the place of a relaxed one that is missing',
    { skip: !hasRelaxed },
    async () => {
      const asked = [];
      const lacking = {
        ...node,
        async loadModule(isRelaxed) {
          asked.push(isRelaxed);
          if (isRelaxed) throw new Error('left behind by a bundler');
          return node.loadModule(false);
        },
      };
      assert.equal(await tierOf(makeApi(lacking)), 'simd128');
      assert.deepEqual(asked, [true, false]);
      const strict = makeApi(lacking);
      await assert.rejects(strict.init({ simd: 'relaxed' }), /left behind/);
    },
  );
});

describe('the browser’s loader', () => {
  const answering = async (response, act) => {
    const { fetch } = globalThis;
    const asked = [];
    globalThis.fetch = async (url) => {
      asked.push(String(url));
      return response();
    };
    try {
      await act(makeApi(browser));
    } finally {
      globalThis.fetch = fetch;
    }
    return asked;
  };

  test('fetches the module beside itself, once', async () => {
    const asked = await answering(
      () => new Response(readFileSync(chosenUrl)),
      async (api) => {
        await works(api);
        await works(api);
      },
    );
    assert.deepEqual(asked, [chosenUrl.href]);
  });
  test('an HTML page instead of it', () =>
    answering(
      () => new Response('<!doctype html><title>App</title>'),
      (api) =>
        assert.rejects(works(api), {
          code: 'UNSUPPORTED',
          message: /veer\.wasm is no WebAssembly module: an HTML page came.*init\(\{url\}\)/s,
        }),
    ));
  test('not found, and no network', async () => {
    await answering(
      () => new Response('', { status: 404 }),
      (api) => assert.rejects(works(api), { code: 'IO', message: /404/ }),
    );
    await answering(
      () => {
        throw new TypeError('fetch failed');
      },
      (api) => assert.rejects(works(api), { code: 'IO', message: /fetch failed/ }),
    );
  });
});

test('workerd’s entry imports a compiled module', () => {
  // Node imports modules compiled as workerd does by this hook.
  const hook = `
    export async function load(url, context, next) {
      if (!url.endsWith('.wasm')) return next(url, context);
      const source = \`import { readFileSync } from 'node:fs';
        export default new WebAssembly.Module(readFileSync(new URL(\${JSON.stringify(url)})));\`;
      return { format: 'module', shortCircuit: true, source };
    }`;
  const entry = new URL('../../dist/index_workerd.js', import.meta.url).href;
  const source = `
    import { register } from 'node:module';
    // Older compatibility dates have none.
    void new Response(); // Node's own needs it.
    delete globalThis.FinalizationRegistry;
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    const { open, keyword } = await import(${JSON.stringify(entry)});
    const db = await open('memory:', { create: true });
    const notes = await db.collection('notes', { tag: keyword() });
    await notes.upsert({ id: 'a', tag: 'x' });
    const bytes = new Uint8Array(await new Response(await db.export()).arrayBuffer());
    await db.close();
    const copy = await open(bytes);
    console.log(await (await copy.collection('notes')).count());
    await copy.close();
    await open('./notes', { create: true }).catch((error) => console.log(error.code));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', source],
    { encoding: 'utf8' },
  );
  assert.equal(stdout, '1\nUNSUPPORTED\n', stderr);
});

test('what browsers and workerd load names no node: module', () => {
  const seen = new Set();
  const visit = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');
    assert.doesNotMatch(source, /(from |import\()["']node:/, file);
    for (const [, path] of source.matchAll(/from ["'](\.{1,2}\/[^"']+\.js)["']/g)) {
      visit(new URL(path, `file:///${file}`).pathname.slice(1));
    }
  };
  for (const entry of ['index.js', 'worker.js', 'index_workerd.js']) visit(entry);
  assert.ok(seen.size > 20);
});
