// The corpus: fetched once, and handed out as documents with their vectors.

import { fromPlanes } from './planes.js';
import { PageError } from './errors.js';

const DIMS = 128;

async function open(url, onBytes) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new PageError(
      `${url} could not be fetched. The corpus is needed once: check the connection, then try again.`,
    );
  }
  if (!response.ok) {
    throw new PageError(`${url}: the server answered ${response.status}. Try again later.`);
  }
  const counting = new TransformStream({
    transform(chunk, controller) {
      onBytes(chunk.length);
      controller.enqueue(chunk);
    },
  });
  const stream = response.body.pipeThrough(counting).pipeThrough(new DecompressionStream('gzip'));
  return { stream, bytes: Number(response.headers.get('content-length')) || 0 };
}

async function* lines(stream) {
  let rest = '';
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    yield* parts;
  }
  if (rest) yield rest;
}

/**
 * Fetches the corpus. `onDownload(bytes, total)` is told while it comes; the documents, of which
 * there are `total`, are read while the rest of them is still under way.
 */
export async function fetchCorpus(onDownload) {
  let [got, total] = [0, 0];
  const onBytes = (bytes) => onDownload((got += bytes), total);
  const [vectors, texts] = await Promise.all([
    open('data/sotu.vectors.gz', onBytes),
    open('data/sotu.jsonl.gz', onBytes),
  ]);
  total = vectors.bytes + texts.bytes;
  const planes = new Uint8Array(await new Response(vectors.stream).arrayBuffer());
  const values = fromPlanes(planes);
  async function* documents() {
    let row = 0;
    for await (const line of lines(texts.stream)) {
      const embedding = values.subarray(row * DIMS, ++row * DIMS);
      yield { ...JSON.parse(line), embedding };
    }
  }
  return { total: values.length / DIMS, documents: documents() };
}
