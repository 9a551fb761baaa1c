// Service worker: keeps the page, the package and its WebAssembly module, so that a later visit
// works without a network. The network comes first, so that nobody sees an old page while there
// is one. The corpus is not kept: after the first visit it lies in the database.

const CACHE = 'veer-demo';
const roots = ['./', 'style.css', 'page/main.js', 'dist/worker.js', 'dist/veer.wasm'];
/** Static imports of modules, and of style sheets. */
const imports = /\b(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]|@import\s+['"]([^'"]+)['"]/g;

/** Every file that the page needs: the roots, and what they import. */
async function keepAll() {
  const cache = await caches.open(CACHE);
  const seen = new Set();
  const keep = async (url) => {
    if (seen.has(url)) return;
    seen.add(url);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const kept = response.clone();
    if (/\.(js|css)$/.test(url)) {
      const found = [...(await response.text()).matchAll(imports)];
      await Promise.all(found.map(([, js, css]) => keep(new URL(js ?? css, url).href)));
    }
    await cache.put(url, kept);
  };
  await Promise.all(roots.map((path) => keep(new URL(path, registration.scope).href)));
}

async function answer(request) {
  try {
    const response = await fetch(request);
    if (response.ok && !new URL(request.url).pathname.includes('/data/')) {
      const cache = await caches.open(CACHE);
      await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

addEventListener('install', (event) => event.waitUntil(keepAll().then(() => skipWaiting())));
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method === 'GET' && new URL(url).origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});
