// How the page answers to pointer, controls and keys.

const FAR = 8;  // cells, of an arrow key with Shift

function place(x, y) {
  state.x = Math.max(0, Math.min(shown.entry.width - 1, Math.floor(x)));
  state.y = Math.max(0, Math.min(shown.entry.height - 1, Math.floor(y)));
}

function moveTo(x, y) {
  place(x, y);
  probe();
}

function pointed(event) {
  const box = frame.getBoundingClientRect(), {width, height} = shown.entry;
  moveTo((event.clientX - box.left) * width / box.width, (event.clientY - box.top) * height / box.height);
}

function cycle(key, count, step = 1) {
  state[key] = (state[key] + step + count) % count;
  render();
}

function listen() {
  frame.addEventListener('pointermove', event => { if (!state.held && event.pointerType !== 'touch') pointed(event); });
  frame.addEventListener('pointerdown', event => {
    state.held = event.pointerType === 'touch' || !state.held;
    pointed(event);
  });
  for (const [id, read] of Object.entries({
    level: node => +node.value, groups: node => +node.value, layer: node => +node.value, head: node => +node.value - 1,
    class: node => +node.value, lines: node => node.checked,
    veil: node => +node.value})) {
    element(id).addEventListener('input', event => {
      state[id] = read(event.target);
      // What a control changes should be seen.
      if (id === 'groups' || id === 'class') state.view = id;
      if (id === 'layer' || id === 'head') state.view = 'head';
      if (id === 'level' && state.view !== 'image') state.view = 'clusters';
      render();
    });
  }
  element('views').addEventListener('change', event => { state.view = event.target.value; render(); });
  document.addEventListener('keydown', pressed);
  new ResizeObserver(() => { if (shown) probe(); }).observe(frame);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !shown) return;
  const own = event.target.matches('input, select, button, summary'), key = event.key, step = event.shiftKey ? FAR : 1;
  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const views = VIEWS.filter(view => !document.querySelector(`[name=view][value=${view}]`).disabled);
  const {entry} = shown, levels = entry.pools.length;
  if (key in arrows && !own) moveTo(...arrows[key].map((d, i) => [state.x, state.y][i] + d * step * entry.stride));
  else if (key === ' ' && !own) { state.held = !state.held; probe(); }
  else if (event.target.matches('select')) return;  // there, letters choose an option
  else if (+key >= 1 && +key <= levels) { state.level = +key; render(); }
  else if ('+=-'.includes(key) && entry.groups.length) {
    state.groups = Math.max(2, Math.min(entry.groups.length + 1, state.groups + (key === '-' ? -1 : 1)));
    state.view = 'groups';
    render();
  }
  else if (key === 'v') { state.view = views[(views.indexOf(state.view) + 1) % views.length]; render(); }
  else if (key === 'h') { state.view = 'head'; cycle('head', shown.layers[state.layer].heads); }
  else if (key === 'l') { state.view = 'head'; cycle('layer', entry.layers.length); }
  else if (key === 'c' && entry.classifier) { state.view = 'class'; cycle('class', entry.classifier.names.length); }
  else if (key === 'o') { state.lines = !state.lines; render(); }
  else if (key === 'n' || key === 'p') selectImage((state.image + (key === 'n' ? 1 : -1) + entries.length) % entries.length);
  else return;
  event.preventDefault();
}

if (entries.length > 1) {
  element('images').append(...entries.map((entry, index) => {
    const button = document.createElement('button'), picture = new Image();
    picture.src = `data:image/png;base64,${entry.png}`;
    picture.alt = entry.name;
    button.dataset.index = index;
    button.addEventListener('click', () => selectImage(index));
    button.append(picture);
    return button;
  }));
}
