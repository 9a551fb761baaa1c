// Figures as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const units = ['bytes', 'KB', 'MB', 'GB'];

export const count = (value) => whole.format(value);

export const countOf = (value, one, many = `${one}s`) =>
  `${count(value)} ${value === 1 ? one : many}`;

/** A time from the browser's clock, which counts in tenths of a millisecond. */
export function ms(value) {
  return value < 0.05 ? '< 0.1 ms' : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

/** A mean of many. */
export const meanMs = (value) => `${value.toFixed(value < 10 ? 3 : 1)} ms`;

export function bytes(value) {
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

export const percent = (share) => `${(100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`;
