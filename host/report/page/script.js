'use strict';
(() => {
const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const sections = [];

/* ---- rates ---- */

/* The chance of k or more hits in n at the rate p. */
const logs = [0];
const logFactorial = n => {
  for (let i = logs.length; i <= n; i++) logs.push(logs[i - 1] + Math.log(i));
  return logs[n];
};
const tail = (k, n, p) => {
  if (k <= 0 || p >= 1) return 1;
  if (p <= 0) return 0;
  let sum = 0;
  for (let i = k; i <= n; i++) {
    const term = Math.exp(logFactorial(n) - logFactorial(i) - logFactorial(n - i) + i * Math.log(p) +
                          (n - i) * Math.log1p(-p));
    sum += term;
    if (i > n * p && term < sum * 1e-12) break;
  }
  return Math.min(sum, 1);
};
/* Where a rising function passes a value. */
const solve = (rises, value) => {
  let low = 0, high = 1;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (rises(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};
/* Clopper and Pearson's 95 % interval. */
const interval = (k, n) => [k ? solve(p => tail(k, n, p), 0.025) : 0, k < n ? solve(p => tail(k + 1, n, p), 0.975) : 1];
const percent = (x, digits) => `${+(100 * x).toPrecision(digits)} %`;

/* ---- a section: its cards, and what follows from the threshold ---- */

const words = {found: 'found', missed: 'missed', alarms: 'false alarm', passed: 'passed'};
const verdictOf = (section, card) => {
  const over = card.score > section.now && !card.small;
  if (section.blind) return over ? 'alarms' : 'passed';
  return card.flawed ? (over ? 'found' : 'missed') : over ? 'alarms' : 'passed';
};
const isWrong = (section, card) => !section.blind && (card.verdict === 'missed' || card.verdict === 'alarms');
const wordOf = (section, verdict) => section.blind && verdict === 'alarms' ? 'flagged' : words[verdict];

const readSection = element => {
  const data = element.dataset;
  const section = {element, blind: 'blind' in data, base: data.base, overlays: 'overlays' in data, whole: 'whole' in data,
                   model: data.threshold ? +data.threshold : Infinity};
  section.now = section.model;
  section.cards = all('.card', element).map((card, index) => ({
    element: card, index, score: +card.dataset.score, flawed: 'flawed' in card.dataset, small: 'small' in card.dataset, kind: card.dataset.kind,
    name: one('.name', card).textContent, badge: one('.badge', card), size: card.dataset.size.split(' ').map(Number),
  }));
  section.mistakes = one('.mistakes', element);
  section.plot = one('svg.dots', element);
  return section;
};

const write = (section, name, text) => {
  for (const place of all(`[data-live="${name}"]`, section.element)) place.textContent = text;
};

const writeRate = (section, name, wrong, n) => {
  if (!n) return;
  const [low, high] = interval(wrong, n);
  write(section, `${name}-rate`, percent(wrong / n, 3));
  write(section, `${name}-low`, percent(low, 2));
  write(section, `${name}-high`, percent(high, 3));
};

const writeCounts = section => {
  const n = {found: 0, missed: 0, passed: 0, alarms: 0};
  for (const card of section.cards) n[card.verdict]++;
  section.count = n;
  for (const verdict in n) {
    write(section, verdict, n[verdict]);
    for (const part of all(`[data-part="${verdict}"]`, section.element)) {
      part.hidden = !n[verdict];
      part.style.flex = n[verdict];
    }
  }
  writeRate(section, 'missed', n.missed, n.found + n.missed);
  writeRate(section, 'alarms', n.alarms, n.passed + n.alarms);
  const dot = one('.roc .now', section.element);
  if (!dot) return;
  const [left, right, bottom, top] = one('.roc svg', section.element).dataset.box.split(' ').map(Number);
  dot.setAttribute('cx', left + n.alarms / (n.passed + n.alarms) * (right - left));
  dot.setAttribute('cy', bottom + n.found / (n.found + n.missed) * (top - bottom));
};

const writeKinds = section => {
  for (const row of all('.kinds tbody tr', section.element)) {
    const cards = section.cards.filter(c => c.kind === row.dataset.kind && c.flawed === (row.dataset.flawed === '1'));
    const wrong = cards.filter(c => isWrong(section, c)).length;
    one('[data-live=right]', row).textContent = cards.length - wrong;
    one('[data-live=wrong]', row).textContent = wrong;
    one('[data-live=wrong]', row).classList.toggle('bad', wrong > 0);
  }
};

const writeMistakes = section => {
  if (!section.mistakes) return;
  const items = section.cards.filter(c => isWrong(section, c)).map(card => {
    const item = document.createElement('li'), link = document.createElement('a'), score = document.createElement('span');
    link.href = `#${card.element.id}`;
    link.textContent = card.name;
    score.className = 'num';
    score.textContent = +card.score.toPrecision(4);
    item.append(link, ` ${words[card.verdict]}, score `, score);
    return item;
  });
  section.mistakes.replaceChildren(...items);
};

/* The line in the plot of dots, and its label. */
const moveLine = section => {
  const line = section.plot && one('line.cut', section.plot);
  if (!line) return;
  const low = +section.plot.dataset.low, high = +section.plot.dataset.high, label = one('text.cut', section.plot);
  const x = 14 + (section.now - low) / (high - low) * 532, right = x > 280;
  line.setAttribute('x1', x);
  line.setAttribute('x2', x);
  label.setAttribute('x', right ? x - 5 : x + 5);
  label.setAttribute('text-anchor', right ? 'end' : 'start');
  label.textContent = `threshold ${+section.now.toPrecision(4)}`;
};

const judge = section => {
  for (const card of section.cards) {
    const verdict = verdictOf(section, card);
    if (card.verdict === verdict) continue;
    const first = card.verdict === undefined;
    card.verdict = verdict;
    if (first) continue;
    const wrong = isWrong(section, card), bad = wrong || section.blind && verdict === 'alarms';
    card.badge.textContent = wordOf(section, verdict);
    card.badge.className = `badge ${bad ? 'bad' : 'ok'}`;
    card.element.classList.toggle('wrong', wrong);
  }
};

/* ---- the threshold ---- */

const setThreshold = (section, value) => {
  section.now = value;
  const moved = value !== section.model;
  section.element.classList.toggle('moved', moved);
  one('.keep', section.element).hidden = !moved;
  write(section, 'threshold', +value.toPrecision(6));
  judge(section);
  writeCounts(section);
  writeKinds(section);
  writeMistakes(section);
  moveLine(section);
  show(section);
};

const startSlider = section => {
  const box = one('.slide', section.element);
  if (!box || !section.plot || !Number.isFinite(section.model)) return;
  const slider = one('[type=range]', box), number = one('[type=number]', box);
  const low = +section.plot.dataset.low, high = +section.plot.dataset.high;
  const put = value => {
    slider.value = value;
    number.value = +value.toPrecision(6);
    slider.setAttribute('aria-valuetext', `${number.value}`);
  };
  slider.min = low;
  slider.max = high;
  slider.step = (high - low) / 2000;
  put(section.model);
  slider.addEventListener('input', () => {
    put(+slider.value);
    setThreshold(section, +slider.value);
  });
  number.addEventListener('change', () => {
    if (!Number.isFinite(number.valueAsNumber)) return;
    slider.value = number.value;
    setThreshold(section, number.valueAsNumber);
  });
  one('button', box).addEventListener('click', () => {
    put(section.model);
    setThreshold(section, section.model);
  });
  box.hidden = false;
  section.element.classList.add('live');
};

/* ---- which cards are seen, and in which order ---- */

const orders = {
  mistakes: section => {
    const margin = c => (c.flawed ? 1 : -1) * (c.score - section.now);
    return (a, b) => margin(a) - margin(b) || a.index - b.index;
  },
  high: () => (a, b) => b.score - a.score || a.index - b.index,
  low: () => (a, b) => a.score - b.score || a.index - b.index,
  name: () => (a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
};

const show = section => {
  const form = section.form;
  if (!form) return;
  const wanted = new Set(all('[name=verdict]:checked', form).map(box => box.value));
  const kind = form.kind.value, name = form.elements.name.value.trim().toLowerCase();
  const from = form.from.value === '' ? -Infinity : +form.from.value, to = form.to.value === '' ? Infinity : +form.to.value;
  let seen = 0;
  for (const card of section.cards) {
    const hidden = !(wanted.has(card.verdict) && (!form.kind.selectedIndex || card.kind === kind) && card.score >= from &&
                     card.score <= to && card.name.toLowerCase().includes(name));
    if (card.element.hidden !== hidden) card.element.hidden = hidden;
    seen += !hidden;
  }
  one('output', form).textContent = `${seen} of ${section.cards.length} pictures`;
  for (const box of all('[name=verdict]', form)) box.nextElementSibling.textContent = `(${section.count[box.value]})`;
};

const sort = section => {
  const order = section.blind && section.form.order.value === 'mistakes' ? 'high' : section.form.order.value;
  section.cards.sort(orders[order](section));
  one('.cards', section.element).append(...section.cards.map(card => card.element));
};

const addOption = (select, value, text) => {
  const option = document.createElement('option');
  option.value = value;
  option.textContent = text;
  select.append(option);
};

const startTools = section => {
  const form = section.form = one('.tools', section.element);
  if (!form) return;
  for (const verdict of section.blind ? ['alarms', 'passed'] : ['missed', 'alarms', 'found', 'passed']) {
    const label = document.createElement('label'), box = document.createElement('input');
    box.type = 'checkbox';
    box.name = 'verdict';
    box.value = verdict;
    box.defaultChecked = true;
    label.append(box, wordOf(section, verdict), document.createElement('span'));
    one('fieldset', form).append(label);
  }
  const kinds = [...new Set(section.cards.map(card => card.kind))].sort();
  for (const kind of kinds) addOption(form.kind, kind, kind);
  form.kind.parentElement.hidden = kinds.length < 2;
  const names = section.blind ? {high: 'highest score first', low: 'lowest score first', name: 'by name'}
                              : {mistakes: 'mistakes and close calls first', high: 'highest score first',
                                 low: 'lowest score first', name: 'by name'};
  for (const order in names) addOption(form.order, order, names[order]);
  form.addEventListener('input', event => {
    if (event.target === form.order) sort(section);
    if (event.target === form.view)
      one('.cards', section.element).className = `cards ${form.view.value ? `only ${form.view.value}` : ''}`;
    show(section);
  });
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(() => {
    one('.cards', section.element).className = 'cards';
    sort(section);
    show(section);
  }));
  form.hidden = false;
  show(section);
};

/* A link to a card that a filter hides. */
const reveal = () => {
  const element = /^#p\d+-\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
  if (!element) return;
  if (element.hidden) {
    const section = sections.find(s => s.element.contains(element));
    section.form.reset();
    for (const card of section.cards) card.element.hidden = false;
  }
  element.scrollIntoView({block: 'center'});
  const link = one('a.tiles', element);
  if (link) link.focus({preventScroll: true});
};

/* ---- a picture at its own size ---- */

const viewer = one('#viewer'), part = name => one(`[name=${name}]`, viewer), view = {};
const under = one('.under', viewer), over = one('.over', viewer), layers = one('.layers', viewer);

const addressOf = (section, card, what, extension) => {
  const link = one('a.tiles', card.element), path = link && link.getAttribute('href');
  const start = `${section.base}overlays/`;
  return path && path.startsWith(start) ? `${section.base}${what}/${path.slice(start.length, -3)}${extension}` : '';
};

/* The large picture, or where it is not there the small one of the card. */
const load = (image, address, small, alt) => {
  image.onerror = () => {
    image.onerror = null;
    if (address) one('.trouble', viewer).hidden = false;
    if (small) image.src = small.src;
  };
  image.alt = alt;
  if (address) image.src = address;
  else image.onerror();
};

const fit = () => {
  const stage = one('.stage', viewer), [width, height] = view.card.size;
  const scale = view.own ? 1 : Math.min(stage.clientWidth / width, stage.clientHeight / height);
  layers.style.width = `${width * scale}px`;
  layers.style.height = `${height * scale}px`;
  layers.style.imageRendering = scale > 2 ? 'pixelated' : '';
  part('zoom').firstElementChild.textContent = view.own ? 'Fit' : 'Own size';
};

const layer = () => {
  over.style.opacity = part('repaired').checked ? 1 : part('map').checked ? part('strong').value : 0;
  part('strong').disabled = part('repaired').checked || !part('map').checked;
};

/* What lies over the picture: map and outlines, or the repaired picture. */
const choose = () => {
  const {section, card} = view, repaired = part('repaired').checked;
  const small = one(repaired ? '.repaired img' : '.found img', card.element);
  load(over, addressOf(section, card, repaired ? 'repaired' : 'overlays', 'png'), small, small ? small.alt : '');
  layer();
};

const open = (section, card) => {
  Object.assign(view, {section, card});
  const small = one('.picture img', card.element), badge = one('.badge', viewer);
  if (!small) return;
  one('.trouble', viewer).hidden = true;
  one('h2', viewer).textContent = card.name;
  badge.textContent = wordOf(section, card.verdict);
  badge.className = card.badge.className;
  one('.numbers', viewer).textContent =
      `score ${+card.score.toPrecision(4)}, threshold ${+section.now.toPrecision(4)}, ${card.size[0]} x ${card.size[1]} pixels`;
  const mended = 'repaired' in card.element.dataset;
  one('label.repaired', viewer).hidden = !mended;
  if (!mended) part('repaired').checked = false;
  load(under, section.whole ? addressOf(section, card, 'report/whole', 'jpg') : '', small, small.alt);
  choose();
  if (!viewer.open) viewer.showModal();
  fit();
};

/* The next card that is seen and has pictures. */
const step = by => {
  const cards = view.section.cards.filter(c => c === view.card || !c.element.hidden && one('.picture img', c.element));
  const next = cards[cards.indexOf(view.card) + by];
  if (next) open(view.section, next);
};

const toggle = name => {
  if (part(name).closest('label').hidden) return;
  part(name).checked = !part(name).checked;
  part(name).dispatchEvent(new Event('change'));
};

const zoom = () => {
  view.own = !view.own;
  fit();
};

const keys = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  m: () => toggle('map'),
  r: () => toggle('repaired'),
  z: zoom,
};

const startViewer = () => {
  part('close').addEventListener('click', () => viewer.close());
  part('before').addEventListener('click', () => step(-1));
  part('after').addEventListener('click', () => step(1));
  part('zoom').addEventListener('click', zoom);
  part('map').addEventListener('change', () => {
    if (part('map').checked) part('repaired').checked = false;
    choose();
  });
  part('repaired').addEventListener('change', choose);
  part('strong').addEventListener('input', layer);
  under.parentElement.addEventListener('dblclick', zoom);
  viewer.addEventListener('keydown', event => {
    const inSlider = event.target === part('strong') && event.key.startsWith('Arrow');
    const inOwn = view.own && event.target.classList.contains('stage') && event.key.startsWith('Arrow');
    if (!keys[event.key] || inSlider || inOwn || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  viewer.addEventListener('close', () => {
    for (const seen of all('.seen')) seen.classList.remove('seen');
    view.card.element.classList.add('seen');
    view.card.element.scrollIntoView({block: 'nearest'});
    const link = one('a.tiles', view.card.element);
    if (link) link.focus({preventScroll: true});
  });
  window.addEventListener('resize', () => viewer.open && fit());
};

/* Clicks on cards and dots. With another button or key the link does what links do. */
const startClicks = section => section.element.addEventListener('click', event => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const dot = event.target.closest('circle[data-card]'), tiles = event.target.closest('a.tiles');
  const id = dot ? `p${section.element.dataset.number}-${dot.dataset.card}` : tiles && tiles.parentElement.id;
  const card = id && section.cards.find(c => c.element.id === id);
  if (!card) return;
  event.preventDefault();
  open(section, card);
});

for (const element of all('section[data-number]')) {
  const section = readSection(element);
  sections.push(section);
  judge(section);
  writeCounts(section);
  startSlider(section);
  startTools(section);
  startClicks(section);
}
startViewer();
window.addEventListener('hashchange', reveal);
reveal();
})();
