// What is shown of the current state.

const LEVEL_COLOURS = ['#ffe14d', '#5cc8ff', '#ff7043', '#c78bff', '#7ddc6f'];
const GROUP_COLOURS = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#bbbbbb', '#ee8866', '#44bb99',
  '#ffaabb', '#99ddff', '#77aadd'];
const SURE = 65535;  // a membership of 1
const VIEWS = ['image', 'clusters', 'groups', 'head', 'class'];

const element = id => document.getElementById(id);
const outputOf = id => document.querySelector(`output[for=${id}]`);
const entries = JSON.parse(element('data').textContent);
const base = element('base'), overlay = element('overlay'), frame = element('frame');
const state = {image: -1, view: 'image', level: 99, groups: 6, layer: 0, head: 0, class: 0, lines: false, held: false, veil: 38,
  x: 0, y: 0};
let shown = null;  // what is decoded of the current image
let marks = [];  // what lies over it

function decoded(entry, picture) {
  const canvas = new OffscreenCanvas(entry.width, entry.height), context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, entry.width, entry.height).data;
  const cells = cellsOf(entry), levels = composeLevels(entry);
  return {
    entry, cells, levels, pixels,
    last: positionsIn(entry, levels, ...entry.last),
    sums: levels.map(labels => colourSums(labels, cells, pixels)),
    groups: entry.groups.map(group => {
      const ids = decode(group.data, group.kind);
      return levels[levels.length - 1].map(position => ids[position]);
    }),
    layers: entry.layers.map(layer => {
      const [heads, h, w] = layer.shape, ids = decode(layer.data, layer.kind);
      const sure = layer.confidence ? decode(layer.confidence.data, layer.confidence.kind) : null;
      const at = (numbers, head) => positionsIn(entry, levels, h, w).map(position => numbers[head * h * w + position]);
      return {heads, label: head => at(ids, head), confidence: head => sure && at(sure, head)};
    }),
    shares: entry.classifier ? entry.classifier.shares.map(data => decode(data, 'f4')) : [],
  };
}

async function selectImage(index) {
  const entry = entries[index], picture = new Image();
  picture.src = `data:image/png;base64,${entry.png}`;
  await picture.decode();
  shown = decoded(entry, picture);
  state.image = index;
  base.width = entry.width;
  base.height = entry.height;
  frame.style.aspectRatio = `${entry.width} / ${entry.height}`;
  frame.style.maxWidth = `calc(82vh * ${entry.width / entry.height})`;
  state.x = entry.width >> 1;
  state.y = entry.height >> 1;
  element('name').textContent = `${entry.name}, ${entry.width}×${entry.height}`;
  for (const button of element('images').children) button.setAttribute('aria-current', button.dataset.index === String(index));
  fillControls();
  render();
}

function fillControls() {
  const {entry} = shown, levels = entry.pools.length, classifier = entry.classifier;
  const toggle = (selector, visible) => document.querySelectorAll(selector).forEach(node => { node.hidden = !visible; });
  toggle('.for-levels', levels);
  toggle('.for-classes', classifier);
  toggle('.not-classes', !classifier);
  element('note').hidden = levels > 0;
  const available = {image: true, clusters: levels, groups: entry.groups.length, head: entry.layers.length, class: classifier};
  for (const input of document.getElementsByName('view')) {
    input.disabled = !available[input.value];
    input.parentNode.hidden = input.value === 'class' && !classifier;
  }
  if (!available[state.view]) state.view = 'image';
  element('level').max = Math.max(1, levels);
  element('groups').max = entry.groups.length + 1;
  const options = (id, names) => element(id).replaceChildren(...names.map((name, i) => new Option(name, i)));
  options('layer', entry.layers.map(layer => layer.name));
  if (classifier) options('class', classifier.names);
  state.level = Math.min(state.level, Math.max(1, levels));  // at first the last one
  state.groups = Math.max(2, Math.min(state.groups, entry.groups.length + 1));
  state.layer = Math.min(state.layer, entry.layers.length - 1);
  state.class = 0;
  element('legend').replaceChildren(...entry.pools.map((_, i) => {
    const item = document.createElement('span'), line = document.createElement('i');
    line.style.background = LEVEL_COLOURS[i % LEVEL_COLOURS.length];
    item.append(line, `level ${i + 1}`);
    return item;
  }));
}

// The label map that the current view is about.
function currentLabels() {
  if (state.view === 'groups') return shown.groups[state.groups - 2];
  if (state.view === 'head') return shown.layers[state.layer].label(state.head);
  if (state.view === 'class') return shown.last;
  return shown.levels[shown.entry.pools.length ? state.level : 0];
}

// How large the memberships of the current view are, from 0 to SURE; null where assignments are hard.
function currentConfidence() {
  return state.view === 'head' ? shown.layers[state.layer].confidence(state.head) : null;
}

function render() {
  state.head = Math.min(state.head, shown.layers[state.layer].heads - 1);
  element('head').max = shown.layers[state.layer].heads;
  for (const input of document.getElementsByName('view')) input.checked = input.value === state.view;
  element('level').value = state.level;
  element('groups').value = state.groups;
  element('layer').value = state.layer;
  element('head').value = state.head + 1;
  element('class').value = state.class;
  element('lines').checked = state.lines;
  element('veil').value = state.veil;
  greyOut();
  outputOf('level').textContent = `${state.level} of ${shown.entry.pools.length}`;
  outputOf('groups').textContent = state.groups;
  outputOf('head').textContent = `${state.head + 1} of ${shown.layers[state.layer].heads}`;
  if (shown.entry.classifier) outputOf('class').textContent = percent(shown.entry.classifier.probabilities[state.class]);
  const sure = currentConfidence();
  element('soft').hidden = !sure;
  if (sure) element('soft').textContent = 'Memberships are soft: a position is in all clusters, and its largest membership is ' +
    `shown. Colours are as strong as it is; the strongest are ${percent(largest(sure) / SURE)}.`;
  paintBase();
  probe();
}

// Controls that change nothing now.
function greyOut() {
  const {entry, layers} = shown;
  element('level').disabled = entry.pools.length < 2;
  element('groups').disabled = entry.groups.length < 2;
  element('layer').disabled = layers.length < 2;
  element('head').disabled = layers[state.layer].heads < 2;
  element('class').disabled = !entry.classifier || entry.classifier.names.length < 2;
  element('veil').disabled = state.view !== 'image';
}

function paintBase() {
  const {entry, cells, pixels} = shown, picture = new ImageData(new Uint8ClampedArray(pixels), entry.width, entry.height);
  if (state.view !== 'image') {
    const labels = currentLabels(), colour = colouring(labels), out = picture.data;
    const sure = currentConfidence(), surest = sure ? largest(sure) : 1;
    forEachPixel(cells, (cell, pixel) => {
      const grey = (pixels[4 * pixel] + 2 * pixels[4 * pixel + 1] + pixels[4 * pixel + 2]) / 4;
      const [r, g, b, covered] = colour(labels[cell]);
      const keep = sure ? 1 - (1 - covered) * sure[cell] / surest : covered;
      out[4 * pixel] = keep * grey + (1 - keep) * r;
      out[4 * pixel + 1] = keep * grey + (1 - keep) * g;
      out[4 * pixel + 2] = keep * grey + (1 - keep) * b;
    });
  }
  base.getContext('2d').putImageData(picture, 0, 0);
}

// A function from a label to red, green, blue, and how much of the grey picture shows through.
function colouring(labels) {
  if (state.view === 'clusters') {
    const sums = shown.sums[state.level];
    return label => [sums[4 * label] / sums[4 * label + 3], sums[4 * label + 1] / sums[4 * label + 3],
      sums[4 * label + 2] / sums[4 * label + 3], 0];
  }
  if (state.view === 'groups') return label => [...rgb(GROUP_COLOURS[label % GROUP_COLOURS.length]), .35];
  if (state.view === 'class') {
    const shares = shown.shares[state.class], most = largest(shares);
    return label => {
      const strength = Math.sqrt(Math.abs(shares[label]) / most);
      return [...(shares[label] > 0 ? [214, 69, 43] : [47, 102, 196]), 1 - .85 * strength];
    };
  }
  const known = new Map();
  return label => {
    if (!known.has(label)) known.set(label, [...hue(label * 137.508), .4]);
    return known.get(label);
  };
}

const largest = numbers => numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 1e-12);
const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const hue = angle => [0, 120, 240].map(shift => 150 + 95 * Math.cos((angle - shift) * Math.PI / 180));
const percent = share => `${(100 * share).toFixed(share < .01 ? 2 : 1)} %`;
const signed = number => `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(3)}`;

// Outlines and chain for the point of the probe.
function probe() {
  const {entry, cells} = shown, [row, col] = cellAt(cells, state.x, state.y), cell = row * cells.w + col;
  const ratio = window.devicePixelRatio || 1, scale = frame.clientWidth * ratio / entry.width;
  overlay.width = Math.round(entry.width * scale);
  overlay.height = Math.round(entry.height * scale);
  base.style.imageRendering = scale >= 3 * ratio ? 'pixelated' : 'auto';
  marks = marksAt(cell, scale, ratio);
  const context = overlay.getContext('2d');
  context.lineJoin = context.lineCap = 'round';
  for (const {path, fill, stroke, width} of marks) {
    const drawn = new Path2D(path);
    if (fill) { context.fillStyle = fill; context.fill(drawn); }
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = width; context.stroke(drawn); }
  }
  fillChain(cell);
  tell();
}

// What lies over the picture, from below: paths in pixels of the screen, with their colours.
function marksAt(cell, scale, ratio) {
  const {entry, cells, levels} = shown, found = [];
  const stroke = (path, colour, width) => found.push({path, stroke: colour, width: width * ratio});
  if (state.lines) {
    const path = borderPath(currentLabels(), cells, null, scale);
    stroke(path, 'rgb(0 0 0 / .5)', 2);
    stroke(path, 'rgb(255 255 255 / .75)', 1);
  }
  const outlined = entry.pools.length ? levels.slice(1) : [shown.layers[state.layer].label(state.head)];
  const focus = entry.pools.length ? levels[state.level] : outlined[0];
  if (state.view === 'image') found.push({path: otherCells(focus, cells, focus[cell], scale), fill: `rgb(0 0 0 / ${state.veil / 100})`});
  // The coarse ones first and wider: where borders coincide all of them are seen. All thinner where cells are small.
  const unit = Math.max(.8, Math.min(1.8, cells.stride * scale / ratio / 8));
  const borders = outlined.map((labels, i) => [borderPath(labels, cells, labels[cell], scale), i, unit * (1 + 1.6 * i)]).reverse();
  for (const [path, , width] of borders) stroke(path, 'rgb(0 0 0 / .6)', width + 1.2);
  for (const [path, i, width] of borders) stroke(path, LEVEL_COLOURS[i % LEVEL_COLOURS.length], width);
  stroke(circlePath((state.x + .5) * scale, (state.y + .5) * scale, (state.held ? 6 : 4) * ratio), '#000000', 1);
  found[found.length - 1].fill = state.held ? '#ffffff' : 'rgb(255 255 255 / .7)';
  return found;
}
