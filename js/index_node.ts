// veerdb for Node, Deno and Bun.

import { makeApi } from './api.ts';
import { node } from './platform_node.ts';

const api = /* @__PURE__ */ makeApi(node);

export const open = api.open;
export const importDatabase = api.importDatabase;
export const deleteDatabase = api.deleteDatabase;
export const init = api.init;
export const VectorIndex = api.VectorIndex;

export { VeerError } from './errors.ts';
export { bool, json, keyword, number, text, time, vector } from './schema.ts';
export { version } from './version.ts';
