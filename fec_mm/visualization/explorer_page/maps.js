'use strict';
// From what the layers assigned to label maps. A map has one number per cell: a position of the stem's map, so many pixels wide and
// high as its stride says; the last row and column of cells reach to the edge of the picture.

const KINDS = {u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array};

function decode(data, kind) {
  const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
  return new KINDS[kind](bytes.buffer);
}

// The cells of a picture: edges in pixels (one more than cells), and how many rows and columns are not padding alone.
function cellsOf(entry) {
  const [h, w] = entry.stem, stride = entry.stride;
  const edges = (count, length) => Array.from({length: count + 1}, (_, i) => i < count ? Math.min(i * stride, length) : length);
  const ys = edges(h, entry.height), xs = edges(w, entry.width);
  return {h, w, ys, xs, stride, rows: ys.filter(y => y < entry.height).length, cols: xs.filter(x => x < entry.width).length};
}

function cellAt(cells, x, y) {
  return [Math.min(y / cells.stride | 0, cells.rows - 1), Math.min(x / cells.stride | 0, cells.cols - 1)];
}

// For each level, from 0 for the stem's own positions: which position of that level's map a cell belongs to.
function composeLevels(entry) {
  const [h, w] = entry.stem;
  const levels = [Uint32Array.from({length: h * w}, (_, i) => i)];
  for (const pool of entry.pools) {
    const ids = decode(pool.data, pool.kind);
    levels.push(levels[levels.length - 1].map(position => ids[position]));
  }
  return levels;
}

// The cells' positions in a map of h×w: that of a level or, of models without clustering-based pooling, of a halved grid.
function positionsIn(entry, levels, h, w) {
  let size = entry.stem, level = 0;
  let positions = levels[0];
  while (size[0] !== h || size[1] !== w) {
    const half = size.map(side => (side + 1) >> 1), width = size[1];
    level += 1;
    positions = entry.pools.length ? levels[level] : positions.map(p => ((p / width | 0) >> 1) * half[1] + ((p % width) >> 1));
    size = half;
  }
  return positions;
}

// The sum of the pixels' colours and their number, four numbers per label.
function colourSums(labels, cells, pixels) {
  const sums = new Float64Array(4 * (labels.reduce((a, b) => Math.max(a, b), 0) + 1));
  forEachPixel(cells, (cell, pixel) => {
    const at = 4 * labels[cell];
    for (let k = 0; k < 3; k++) sums[at + k] += pixels[4 * pixel + k];
    sums[at + 3] += 1;
  });
  return sums;
}

function forEachPixel(cells, visit) {
  const width = cells.xs[cells.w];
  for (let r = 0; r < cells.rows; r++) {
    for (let y = cells.ys[r]; y < cells.ys[r + 1]; y++) {
      for (let c = 0; c < cells.cols; c++) {
        const cell = r * cells.w + c;
        for (let x = cells.xs[c]; x < cells.xs[c + 1]; x++) visit(cell, y * width + x);
      }
    }
  }
}

// A path along the borders of one label, or of all labels where `label` is null, as SVG writes paths.
function borderPath(labels, cells, label, scale) {
  const path = [], {rows, cols, w, xs, ys} = cells;
  const line = (x0, y0, x1, y1) => path.push(`M${x0 * scale} ${y0 * scale}L${x1 * scale} ${y1 * scale}`);
  const differs = (a, b) => label === null ? a !== b : (a === label) !== (b === label);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const here = labels[r * w + c];
      const left = c ? labels[r * w + c - 1] : -1, up = r ? labels[(r - 1) * w + c] : -1;
      if (differs(here, left)) line(xs[c], ys[r], xs[c], ys[r + 1]);
      if (differs(here, up)) line(xs[c], ys[r], xs[c + 1], ys[r]);
      if (c === cols - 1 && differs(here, -1)) line(xs[c + 1], ys[r], xs[c + 1], ys[r + 1]);
      if (r === rows - 1 && differs(here, -1)) line(xs[c], ys[r + 1], xs[c + 1], ys[r + 1]);
    }
  }
  return path.join('');
}

// A path that covers the cells of all other labels.
function otherCells(labels, cells, label, scale) {
  const path = [], {rows, cols, w, xs, ys} = cells;
  for (let r = 0; r < rows; r++) {
    for (let c = 0, start = 0; c <= cols; c++) {
      if (c < cols && labels[r * w + c] !== label) continue;
      if (c > start) path.push(`M${xs[start] * scale} ${ys[r] * scale}H${xs[c] * scale}V${ys[r + 1] * scale}H${xs[start] * scale}Z`);
      start = c + 1;
    }
  }
  return path.join('');
}

function circlePath(x, y, radius) {
  return `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`;
}
