// The database as a file: out, in, and starting over.

import { $, el } from './dom.js';
import { guarded, showError, tell } from './errors.js';
import { bytes } from './format.js';

export class Transfer {
  #library;
  #onReplaced;

  constructor(library, onReplaced) {
    this.#library = library;
    this.#onReplaced = onReplaced;
    $('export').addEventListener(
      'click',
      guarded('Exporting', () => this.#busy('Writing the file', () => this.#export())),
    );
    $('import').addEventListener('click', () => $('import-file').click());
    $('import-file').addEventListener('change', async () => {
      const [file] = $('import-file').files;
      if (!file) return;
      try {
        await this.#busy('Reading the file', (onProgress) => this.#import(file, onProgress));
      } catch (error) {
        showError(error, `Importing ${file.name}`);
      }
      // Choosing the same file again is a change again.
      $('import-file').value = '';
    });
    $('reset').addEventListener('click', () => $('reset-dialog').showModal());
    $('reset-cancel').addEventListener('click', () => $('reset-dialog').close());
    $('reset-confirm').addEventListener(
      'click',
      guarded('Starting over', async () => {
        $('reset-dialog').close();
        await library.remove();
        globalThis.location.reload();
      }),
    );
  }

  async #busy(text, body) {
    const buttons = [$('export'), $('import'), $('reset')];
    for (const button of buttons) button.disabled = true;
    $('transfer-text').textContent = `${text} …`;
    $('transfer-progress').hidden = false;
    $('transfer-progress').removeAttribute('value');
    try {
      $('transfer-text').textContent = await body((done, total) => {
        if (total > 0) $('transfer-progress').value = done / total;
      });
    } catch (error) {
      $('transfer-text').textContent = '';
      throw error;
    } finally {
      for (const button of buttons) button.disabled = false;
      $('transfer-progress').hidden = true;
    }
  }

  async #export() {
    const blob = await this.#library.export();
    const href = URL.createObjectURL(blob);
    const link = el('a', { href, download: 'sotu.veer' });
    document.body.append(link);
    link.click();
    link.remove();
    // The browser reads the blob after the click; arbitrary, long enough for it to begin.
    setTimeout(() => URL.revokeObjectURL(href), 60000);
    return `sotu.veer, ${bytes(blob.size)}: open it here, with the veer command or in C.`;
  }

  async #import(file, onProgress) {
    const leftover = await this.#library.import(file, onProgress);
    await this.#onReplaced();
    if (leftover) showError(leftover, 'Removing the former database');
    tell('The imported database is open.');
    return `${file.name} took the place of the former database.`;
  }
}
