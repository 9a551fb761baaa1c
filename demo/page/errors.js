// What went wrong, in words: what was tried, what the engine says, and what the reader can do.
// Nothing is swallowed: what has no place of its own ends here.

import { $, el, fill } from './dom.js';

/** What to do about each code that a visitor can meet. */
const advice = {
  BUSY: 'The database is open in another tab or window of this site. Close it there, then try again.',
  FULL: 'The browser has no room left for this site. Free some space, or delete data of this site in the browser’s settings, then try again.',
  NOMEM: 'The tab has no memory left. Close other tabs, then reload the page.',
  IO: 'Reload the page. If it stays, check that the server is running and that the disk is not full.',
  PERMISSION:
    'The browser does not let this site store data. Leave private browsing, or allow storage for this site.',
  CORRUPT: 'The stored bytes are damaged. “Start over” makes the database anew from the corpus.',
  FORMAT: 'Choose a file that this page, or “veer backup”, has written.',
  VERSION: 'The file was written by a newer Veer. Reload the page to get the newest one.',
  UNSUPPORTED: 'This browser lacks something that the page needs; a current one has it.',
  NOTFOUND: 'It may have been deleted meanwhile. Reload the page.',
  READONLY: 'The database is open for reading only. Reload the page.',
  SCHEMA: 'The file holds other fields than this page works with.',
  CLOSED: 'Reload the page.',
  INTERNAL: 'This is a defect in Veer: please report it with this text.',
};

/** An error of this page's own, whose text says what to do. */
export class PageError extends Error {}

const codeOf = (error) => (typeof error?.code === 'string' ? error.code : undefined);

/** Title, text and advice of an error. */
export function inWords(error, tried) {
  const code = codeOf(error);
  const said = String(error?.message ?? error);
  return {
    code,
    title: tried ? `${tried} did not work` : 'Something did not work',
    said: code ? `${said} [${code}]` : said,
    advice: error instanceof PageError ? '' : (advice[code] ?? 'Reload the page.'),
  };
}

/** Shows an error at the top of the page until it is dismissed. */
export function showError(error, tried) {
  if (error?.name === 'AbortError') return;
  console.error(tried ?? '', error);
  const words = inWords(error, tried);
  const box = el(
    'div',
    { className: 'notice error' },
    el('div', {}, el('strong', {}, words.title), el('p', {}, words.said)),
    words.advice && el('p', {}, words.advice),
    el('button', { type: 'button', className: 'quiet', onclick: () => box.remove() }, 'Dismiss'),
  );
  // The same failure again takes the place of the first one.
  for (const other of $('errors').children) {
    if (other.dataset.said === words.said) other.remove();
  }
  box.dataset.said = words.said;
  $('errors').append(box);
}

/** A listener that shows what it throws. */
export const guarded =
  (tried, body) =>
  async (...args) => {
    try {
      return await body(...args);
    } catch (error) {
      showError(error, tried);
      return undefined;
    }
  };

/** A short message that goes by itself; `action` is a button in it. */
export function tell(text, action) {
  const line = el('div', { className: 'notice' }, el('span', {}, text));
  const gone = setTimeout(() => line.remove(), action ? 20000 : 5000);
  if (action) {
    const onclick = () => {
      clearTimeout(gone);
      line.remove();
      action.run();
    };
    line.append(el('button', { type: 'button', className: 'quiet', onclick }, action.label));
  }
  fill($('messages'), line);
}
