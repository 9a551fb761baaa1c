// veerdb for browsers, and everything that has no file of its own.

import { makeApi } from './api.ts';
import { browser } from './platform_browser.ts';

const api = /* @__PURE__ */ makeApi(browser);

export const open = api.open;
export const importDatabase = api.importDatabase;
export const deleteDatabase = api.deleteDatabase;
export const init = api.init;
export const VectorIndex = api.VectorIndex;

export { VeerError } from './errors.ts';
export { bool, json, keyword, number, text, time, vector } from './schema.ts';
export { version } from './version.ts';
