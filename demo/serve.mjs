// The demo page's server: files of this folder at /, the package at /dist/, and nothing else.
//
// It listens on 127.0.0.1 only and takes the next port where one is busy. A path is looked up below
// its folder after decoding; what lies elsewhere, is hidden, or has a kind that the page does not
// need, is not there (404). Any other static server will do as well: put demo/ and dist/ so that
// dist/ lies inside the copy of demo/.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const PORTS_TRIED = 50;

const kinds = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.gz': 'application/gzip',
};

const headers = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // Kept, but asked for every time: a rebuilt package is never mixed with an old one.
  'Cache-Control': 'no-cache',
};

/** The file of a request's path, or null. */
async function find(pathname, folders) {
  let path;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  if (!/^(\/[\w-][\w.-]*)*\/?$/.test(path)) return null;
  if (path.endsWith('/')) path += 'index.html';
  const type = kinds[extname(path)];
  if (!type) return null;
  const isPackage = path.startsWith('/dist/');
  const folder = isPackage ? folders.dist : folders.page;
  try {
    const top = await realpath(folder);
    const file = await realpath(join(top, isPackage ? path.slice('/dist'.length) : path));
    const info = await stat(file);
    return file.startsWith(top + sep) && info.isFile() ? { file, info, type } : null;
  } catch {
    return null;
  }
}

function refuse(response, status, text) {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

async function answer(request, response, folders) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    refuse(response, 405, 'Only GET and HEAD are answered.');
    return;
  }
  const found = await find(request.url.split('?')[0], folders);
  if (!found) {
    refuse(response, 404, 'There is no such file.');
    return;
  }
  const { file, info, type } = found;
  const state = `${info.mtimeMs} ${info.size}`;
  const etag = `"${createHash('sha256').update(state).digest('base64url').slice(0, 22)}"`;
  const isKnown = request.headers['if-none-match'] === etag;
  response.writeHead(isKnown ? 304 : 200, {
    ...headers,
    ETag: etag,
    ...(isKnown ? {} : { 'Content-Type': type, 'Content-Length': info.size }),
  });
  if (isKnown || request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(file), response);
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve(server.address().port);
    });
  });
}

/**
 * Serves the page: {url, port, close()}. `port` 0 takes any that is free; a busy one gives way to
 * the next that is not. `page` and `dist` are the folders.
 */
export async function serve({ port = 8484, page = here, dist = join(here, '..', 'dist') } = {}) {
  const server = createServer((request, response) => {
    answer(request, response, { page, dist }).catch(() => response.destroy());
  });
  for (let tried = 0; ; tried++) {
    try {
      const taken = await listen(server, port === 0 ? 0 : port + tried);
      const close = () =>
        new Promise((resolve) => {
          server.close(resolve);
          server.closeAllConnections();
        });
      return { url: `http://127.0.0.1:${taken}/`, port: taken, close };
    } catch (error) {
      const isLast = tried + 1 >= PORTS_TRIED || port + tried >= 65535;
      if (error.code !== 'EADDRINUSE' || isLast) throw error;
    }
  }
}
