/**
 * Read a PNG's stored values: class ids of an indexed picture, levels of a grey one.
 *
 * A canvas would give colours, which need not be distinct and which some browsers alter; the ids are exact.
 * Handles what masks are: indexed or grey, 1 to 16 bits, not interlaced.
 */

const INDEXED = 3;
const GREY = 0;

/** bytes: Uint8Array -> { width, height, values: Uint8Array | Uint16Array (row after row) } */
export async function readPng(bytes) {
  const { header, data } = readChunks(bytes);
  const { width, height, depth, colour, interlaced } = header;
  if ((colour !== INDEXED && colour !== GREY) || interlaced) throw new Error("not an indexed or grey PNG");
  const rowBytes = Math.ceil((width * depth) / 8);
  const raw = await inflate(data);
  if (raw.length !== height * (rowBytes + 1)) throw new Error("the PNG is incomplete");
  const rows = unfilter(raw, height, rowBytes, Math.max(1, depth >> 3));
  return { width, height, values: unpack(rows, width, height, depth, rowBytes) };
}

function readChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = [];
  let header = null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = at + 8;
    if (type === "IHDR") {
      header = {
        width: view.getUint32(body),
        height: view.getUint32(body + 4),
        depth: bytes[body + 8],
        colour: bytes[body + 9],
        interlaced: bytes[body + 12] !== 0,
      };
    } else if (type === "IDAT") data.push(bytes.subarray(body, body + length));
    at = body + length + 4;
  }
  if (!header) throw new Error("not a PNG");
  return { header, data };
}

async function inflate(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo the row filters. `step`: bytes from a value to its left neighbour. */
function unfilter(raw, height, rowBytes, step) {
  const out = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (rowBytes + 1)];
    const source = y * (rowBytes + 1) + 1;
    const target = y * rowBytes;
    if (filter === 0) {
      out.set(raw.subarray(source, source + rowBytes), target);
      continue;
    }
    for (let x = 0; x < rowBytes; x++) {
      const left = x >= step ? out[target + x - step] : 0;
      const up = y > 0 ? out[target + x - rowBytes] : 0;
      const corner = x >= step && y > 0 ? out[target + x - rowBytes - step] : 0;
      out[target + x] = raw[source + x] + predict(filter, left, up, corner);
    }
  }
  return out;
}

function predict(filter, left, up, corner) {
  switch (filter) {
    case 1: return left;
    case 2: return up;
    case 3: return (left + up) >> 1;
    case 4: return paeth(left, up, corner);
    default: throw new Error(`unknown PNG row filter ${filter}`);
  }
}

function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Bytes of the rows -> one number a pixel. */
function unpack(rows, width, height, depth, rowBytes) {
  if (depth === 8) return rows;
  const values = depth === 16 ? new Uint16Array(width * height) : new Uint8Array(width * height);
  const top = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const at = y * rowBytes + (bit >> 3);
      values[y * width + x] = depth === 16 ? (rows[at] << 8) | rows[at + 1] : (rows[at] >> (8 - depth - (bit & 7))) & top;
    }
  }
  return values;
}
