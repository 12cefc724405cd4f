// A view as an address, as a picture, and told to the pages of other models beside this one.

const LINKED = ['image', 'view', 'level', 'groups', 'layer', 'head', 'class', 'x', 'y'];
const beside = location.href === 'about:srcdoc';  // this page is one of several in another one, which has the address
const outer = beside ? parent : window;
let following = 0;  // while a view is taken over, nothing is told

// What the address of the page says after its '#', if that is a view of this page.
function linked() {
  const found = new URLSearchParams(outer.location.hash.slice(1)), said = {};
  for (const key of LINKED) {
    const value = found.get(key);
    if (value === null) continue;
    if (key === 'view' ? VIEWS.includes(value) : /^\d{1,6}$/.test(value)) said[key] = key === 'view' ? value : +value;
  }
  if ('x' in said && 'y' in said) said.held = true;
  return said;
}

function address() {
  return '#' + new URLSearchParams(LINKED.map(key => [key, state[key]]));
}

// Show what an address or another page says. Images and pixels that there are not become the nearest.
async function follow(said) {
  following += 1;
  const image = Math.min(said.image || 0, entries.length - 1);
  if (image !== state.image) await selectImage(image);
  const most = {level: shown.entry.pools.length, groups: shown.entry.groups.length + 1, layer: shown.layers.length - 1,
    class: shown.entry.classifier ? shown.entry.classifier.names.length - 1 : 0};
  for (const [key, value] of Object.entries(said)) if (key in most) state[key] = Math.min(value, most[key]);
  if ('level' in said) state.level = Math.max(1, state.level);
  if ('groups' in said) state.groups = Math.max(2, state.groups);
  for (const key of ['head', 'held', 'lines', 'veil']) if (key in said) state[key] = said[key];  // `render` keeps heads within the layer
  const view = said.view && document.querySelector(`[name=view][value=${said.view}]`);
  if (view && !view.disabled) state.view = said.view;
  if ('x' in said && 'y' in said) place(said.x, said.y);
  render();
  following -= 1;
}

// The view goes to the pages beside this one. Their picture may be of another size, their model of other levels.
function tell() {
  if (!beside || following) return;
  const {width, height, pools} = shown.entry, said = {...state, x: (state.x + .5) / width, y: (state.y + .5) / height};
  if (!pools.length) delete said.level;
  if (!shown.entry.groups.length) delete said.groups;
  parent.postMessage(said, '*');
}

function told(event) {
  if (!beside || event.source !== parent || !shown) return;
  const {width, height} = entries[Math.min(event.data.image, entries.length - 1)];
  follow({...event.data, x: event.data.x * width, y: event.data.y * height});
}

// The picture with its outlines, as large as on the screen.
function composed() {
  const canvas = new OffscreenCanvas(overlay.width, overlay.height), context = canvas.getContext('2d');
  context.imageSmoothingEnabled = base.style.imageRendering !== 'pixelated';
  context.drawImage(base, 0, 0, overlay.width, overlay.height);
  context.drawImage(overlay, 0, 0);
  return canvas;
}

// The same with outlines that stay sharp at any size.
function drawing() {
  const {width, height} = overlay, colour = value => value || 'none';
  const paths = marks.map(({path, fill, stroke, width}) =>
    `<path d="${path}" fill="${colour(fill)}" stroke="${colour(stroke)}" stroke-width="${width || 0}"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<image href="${base.toDataURL()}" width="${width}" height="${height}" preserveAspectRatio="none"
  style="image-rendering: ${base.style.imageRendering}"/>
<g stroke-linejoin="round" stroke-linecap="round">
${paths.join('\n')}
</g>
</svg>
`;
}

function save(blob, suffix) {
  const anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(blob);
  anchor.download = `${shown.entry.name.replace(/[^\p{L}\p{N}.-]+/gu, '_')}_${state.view}.${suffix}`;
  anchor.click();
  URL.revokeObjectURL(anchor.href);
}

function copyLink() {
  outer.history.replaceState(null, '', address());
  if (navigator.clipboard) navigator.clipboard.writeText(outer.location.href).catch(() => {});
  element('linked').textContent = 'The address of this page now leads to this view.';
}

element('save-png').addEventListener('click', async () => save(await composed().convertToBlob({type: 'image/png'}), 'png'));
element('save-svg').addEventListener('click', () => save(new Blob([drawing()], {type: 'image/svg+xml'}), 'svg'));
element('link').addEventListener('click', copyLink);
outer.addEventListener('hashchange', () => follow(linked()));
window.addEventListener('message', told);
document.documentElement.classList.toggle('beside', beside);
listen();
follow(linked());
