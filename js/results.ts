// From the engine's columns to what callers get.

import type { Hit, ScanRow, SearchManyResult } from '../types/collection.d.ts';
import type { ResultColumns } from './ffi.ts';
import type { KnownFields } from './schema.ts';

const decoder = new TextDecoder();

/** The texts that lie one after the other, cut at byte offsets. */
function texts(bytes: Uint8Array, offsets: Uint32Array): string[] {
  const rows = offsets.length - 1;
  const all = decoder.decode(bytes);
  const cut: string[] = new Array<string>(rows);
  // Where every character is one byte, offsets in bytes are offsets in characters.
  const isAscii = all.length === bytes.length;
  for (let i = 0; i < rows; i++) {
    const [from, to] = [offsets[i]!, offsets[i + 1]!];
    cut[i] = isAscii ? all.slice(from, to) : decoder.decode(bytes.subarray(from, to));
  }
  return cut;
}

export interface Rows<D> {
  readonly ids: string[];
  readonly documents: D[];
}

/** Ids and documents; where none were asked for, undefined in their places. */
export function rowsOf<D>(columns: ResultColumns, known: KnownFields): Rows<D> {
  const ids = texts(columns.ids, columns.idOffsets);
  const { documents, documentOffsets } = columns;
  if (!documents || !documentOffsets) return { ids, documents: new Array<D>(ids.length) };
  return {
    ids,
    documents: texts(documents, documentOffsets).map((text) => {
      const document = JSON.parse(text) as Record<string, unknown>;
      for (const name of known.vectors.keys()) {
        const value = document[name];
        if (Array.isArray(value)) document[name] = Float32Array.from(value as number[]);
      }
      return document as D;
    }),
  };
}

export function hitsOf<D>(columns: ResultColumns, known: KnownFields): SearchManyResult<D> {
  const { ids, documents } = rowsOf<D>(columns, known);
  const hits: Hit<D>[][] = [];
  for (let query = 0; query < columns.queries; query++) {
    const own: Hit<D>[] = [];
    for (let row = columns.offsets[query]!; row < columns.offsets[query + 1]!; row++) {
      own.push({
        id: ids[row]!,
        score: columns.scores?.[row] ?? NaN,
        distance: columns.distances?.[row] ?? NaN,
        document: documents[row] as D,
      });
    }
    hits.push(own);
  }
  const { exact, visited, explain } = columns;
  return explain === undefined
    ? { hits, exact, visited }
    : { hits, exact, visited, explain: JSON.parse(explain) as unknown };
}

export function scanRows<D>(columns: ResultColumns, known: KnownFields): ScanRow<D>[] {
  const { ids, documents } = rowsOf<D>(columns, known);
  return ids.map((id, i) => ({ id, document: documents[i] as D }));
}
