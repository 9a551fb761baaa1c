// veerdb for Cloudflare's workerd and edge runtimes like it.

import { makeApi } from './api.ts';
import { workerd } from './platform_workerd.ts';

const api = /* @__PURE__ */ makeApi(workerd);

export const open = api.open;
export const importDatabase = api.importDatabase;
export const deleteDatabase = api.deleteDatabase;
export const init = api.init;
export const VectorIndex = api.VectorIndex;

export { VeerError } from './errors.ts';
export { bool, json, keyword, number, text, time, vector } from './schema.ts';
export { version } from './version.ts';
