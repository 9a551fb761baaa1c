// A static server on 127.0.0.1 for browser tests: dist/, tests/ and whatever else a test adds.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const emptyPage = '<!doctype html><html lang="en"><title>Veer</title><body></body></html>';

/**
 * Serves the folders of the checkout that `folders` names; `routes` answers paths of its own:
 * path -> {body, type, status}. `/` is an empty page. Returns {origin, close}.
 */
export async function serve({ folders = ['dist', 'tests'], routes = {} } = {}) {
  const answer = async (path) => {
    if (routes[path]) return { type: 'text/html', status: 200, ...routes[path] };
    if (path === '/') return { body: emptyPage, type: types['.html'], status: 200 };
    const file = normalize(join(root, path));
    const isServed = folders.some((folder) => file.startsWith(join(root, folder) + '/'));
    if (!isServed) return { body: 'not served', type: 'text/plain', status: 404 };
    const type = types[extname(file)] ?? 'application/octet-stream';
    return { body: await readFile(file), type, status: 200 };
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    answer(path)
      .catch((error) => ({ body: String(error), type: 'text/plain', status: 404 }))
      .then(({ body, type, status }) => {
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
        response.end(body);
      });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}
