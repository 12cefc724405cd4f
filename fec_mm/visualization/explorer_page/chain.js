// The list that follows the pointer: from pixel to class.

function link(kind, head, detail, colour, border) {
  const item = document.createElement('li'), swatch = document.createElement('span');
  const strong = document.createElement('b'), small = document.createElement('small');
  item.dataset.kind = kind;
  swatch.className = 'swatch';
  if (colour) swatch.style.background = colour;
  if (border) swatch.style.borderColor = border;
  strong.textContent = head;
  small.textContent = detail;
  item.append(swatch, strong, small);
  return item;
}

function fillChain(cell) {
  const {entry, levels, sums, pixels} = shown, total = entry.width * entry.height;
  const at = 4 * (state.y * entry.width + state.x);
  const items = [link('pixel', `Pixel ${state.x}, ${state.y}`, state.held ? 'held: click or Space lets it go' : 'click to hold it',
    `rgb(${pixels[at]} ${pixels[at + 1]} ${pixels[at + 2]})`)];
  for (let i = 1; i < levels.length; i++) {
    const label = levels[i][cell], sum = [...sums[i].subarray(4 * label, 4 * label + 4)], count = sum[3];
    const item = link('level', `Level ${i}: cluster ${label}`, `${count} pixels, ${percent(count / total)} of the picture`,
      `rgb(${sum.slice(0, 3).map(s => Math.round(s / count)).join(' ')})`, LEVEL_COLOURS[(i - 1) % LEVEL_COLOURS.length]);
    Object.assign(item.dataset, {level: i, cluster: label, pixels: count});
    items.push(item);
  }
  if (shown.groups.length) {
    const group = shown.groups[state.groups - 2][cell];
    items.push(link('group', `Group ${group + 1} of ${state.groups}`, 'neighbours that are alike in colour, representative and place',
      GROUP_COLOURS[group % GROUP_COLOURS.length]));
    items[items.length - 1].dataset.group = group;
  }
  if (state.view === 'head' || !entry.pools.length) {
    const layer = shown.layers[state.layer], label = layer.label(state.head)[cell], sure = layer.confidence(state.head);
    const membership = sure ? `, membership ${percent(sure[cell] / SURE)}` : '';
    const item = link('head', `Center ${label}`, `${entry.layers[state.layer].name}, head ${state.head + 1}${membership}`,
      `rgb(${hue(label * 137.508).map(Math.round).join(' ')})`, entry.pools.length ? '' : LEVEL_COLOURS[0]);
    item.dataset.center = label;
    if (sure) item.dataset.confidence = sure[cell] / SURE;
    items.push(item);
  }
  if (entry.classifier) items.push(classLink(cell));
  element('chain').replaceChildren(...items);
}

function classLink(cell) {
  const {entry, last, shares} = shown, {names, logits, probabilities} = entry.classifier;
  const share = shares[state.class][last[cell]], sum = shares[state.class].reduce((a, b) => a + b, 0);
  const bias = logits[state.class] - sum;
  const item = link('class', `Adds ${signed(share)} to “${names[state.class]}”`, '', `${share > 0 ? '#d6452b' : '#2f66c4'}`);
  const bar = document.createElement('span'), length = 50 * Math.abs(share) / largest(shares[state.class]);
  bar.className = 'bar';
  bar.innerHTML = `<i style="width:${length}%;left:${share > 0 ? 50 : 50 - length}%;background:${share > 0 ? '#d6452b' : '#2f66c4'}"></i>`;
  item.querySelector('small').append(bar, `logit ${logits[state.class].toFixed(3)} = ${sum.toFixed(3)} from ` +
    `${shares[state.class].length} representatives ${bias < 0 ? '−' : '+'} ${Math.abs(bias).toFixed(3)} bias; ` +
    `probability ${percent(probabilities[state.class])}`);
  Object.assign(item.dataset, {share, logit: logits[state.class]});
  return item;
}
