// A view as an address, and as a picture.

const LINKED = ['image', 'view', 'level', 'groups', 'layer', 'head', 'class', 'x', 'y'];

// What the address of the page says after its '#', if that is a view of this page.
function linked() {
  const found = new URLSearchParams(location.hash.slice(1)), said = {};
  for (const key of LINKED) {
    const value = found.get(key);
    if (value === null) continue;
    if (key === 'view' ? VIEWS.includes(value) : /^\d{1,6}$/.test(value)) said[key] = key === 'view' ? value : +value;
  }
  return said;
}

function address() {
  return '#' + new URLSearchParams(LINKED.map(key => [key, state[key]]));
}

// Show what the address says. Images and pixels that there are not become the nearest.
async function follow() {
  const said = linked();
  await selectImage(Math.min(said.image || 0, entries.length - 1));
  const most = {level: shown.entry.pools.length, groups: shown.entry.groups.length + 1, layer: shown.layers.length - 1,
    class: shown.entry.classifier ? shown.entry.classifier.names.length - 1 : 0};
  for (const [key, value] of Object.entries(said)) if (key in most) state[key] = Math.min(value, most[key]);
  if ('level' in said) state.level = Math.max(1, state.level);
  if ('groups' in said) state.groups = Math.max(2, state.groups);
  if ('head' in said) state.head = said.head;  // `render` keeps it within the layer
  const view = said.view && document.querySelector(`[name=view][value=${said.view}]`);
  if (view && !view.disabled) state.view = said.view;
  if ('x' in said && 'y' in said) {
    state.held = true;
    moveTo(said.x, said.y);
  }
  render();
}

// The picture with its outlines, as large as on the screen.
function composed() {
  const canvas = new OffscreenCanvas(overlay.width, overlay.height), context = canvas.getContext('2d');
  context.imageSmoothingEnabled = base.style.imageRendering !== 'pixelated';
  context.drawImage(base, 0, 0, overlay.width, overlay.height);
  context.drawImage(overlay, 0, 0);
  return canvas;
}

async function save() {
  const blob = await composed().convertToBlob({type: 'image/png'}), anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(blob);
  anchor.download = `${shown.entry.name.replace(/[^\p{L}\p{N}.-]+/gu, '_')}_${state.view}.png`;
  anchor.click();
  URL.revokeObjectURL(anchor.href);
}

function copyLink() {
  history.replaceState(null, '', address());
  if (navigator.clipboard) navigator.clipboard.writeText(location.href).catch(() => {});
  element('linked').textContent = 'The address of this page now leads to this view.';
}

element('save').addEventListener('click', save);
element('link').addEventListener('click', copyLink);
window.addEventListener('hashchange', follow);
listen();
follow();
