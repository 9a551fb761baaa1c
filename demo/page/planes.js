// Vectors as byte planes (data/README.md): used by the page and by the server's import.

/** The float32 values of four byte planes. */
export function fromPlanes(planes) {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    const from = plane * count;
    for (let i = 0; i < count; i++) bytes[i * 4 + plane] = planes[from + i];
  }
  return new Float32Array(bytes.buffer);
}
