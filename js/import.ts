// Filling an empty database from another one, collection by collection.

import type { Collection } from '../types/collection.d.ts';
import type { Database } from '../types/database.d.ts';
import type { LongCall } from '../types/options.d.ts';
import type { Field, Schema } from '../types/schema.d.ts';
import { VeerError } from './errors.ts';

/** The schema that makes the same fields again, and what a copy has to select. */
function fieldsOf(stored: unknown): { schema: Schema; orderBy: string | undefined } {
  const { fields, orderBy } = stored as {
    fields: Record<string, Record<string, unknown>>;
    orderBy?: string;
  };
  const schema: Record<string, Field> = {};
  for (const [name, { type, dims, metric, model }] of Object.entries(fields)) {
    const field = type === 'vector' ? { type, dims, metric, model: model ?? undefined } : { type };
    schema[name] = field as unknown as Field;
  }
  return { schema, orderBy };
}

/** Whole documents with their vectors: two scans in step, for no selection means both. */
async function* withVectors(
  collection: Collection,
  names: readonly string[],
): AsyncGenerator<{ id: string }> {
  const vectors = collection.scan({ select: names });
  try {
    for await (const { id, document } of collection.scan()) {
      const { value } = await vectors.next();
      if (value?.id !== id) throw new VeerError('INTERNAL', 'two scans differ in their order');
      yield { ...document, ...value.document, id };
    }
  } finally {
    await vectors.return?.();
  }
}

/** Copies every document of `from` into `to`, which has no collections; all of them or none. */
export async function copyDatabase(from: Database, to: Database, options: LongCall): Promise<void> {
  try {
    await copyCollections(from, to, options);
  } catch (cause) {
    for (const { name } of await to.collections()) await to.drop(name);
    throw cause;
  }
}

async function copyCollections(
  from: Database,
  to: Database,
  { signal, onProgress }: LongCall,
): Promise<void> {
  const infos = await from.collections();
  const total = infos.reduce((sum, { count }) => sum + count, 0);
  let before = 0;
  for (const { name, count } of infos) {
    const source = await from.collection(name);
    const { schema, orderBy } = fieldsOf(await source.schema());
    const target = await to.collection(name, schema, { orderBy });
    try {
      const names = Object.keys(schema).filter((field) => schema[field]!.type === 'vector');
      await (target as unknown as Collection).upsert(withVectors(source, names), {
        signal,
        onProgress: (written) => onProgress?.(before + written, total),
      });
    } finally {
      await target.close();
      await source.close();
    }
    before += count;
  }
}
