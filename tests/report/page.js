// What a reader does with report.html, done by a script in the page; what came out stands in #result, a line a check.
(async () => {
  const lines = [], out = document.createElement('pre');
  const check = (name, got, want) => lines.push(JSON.stringify(got) === JSON.stringify(want) ? `ok ${name}`
      : `WRONG ${name}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const until = async condition => {
    for (let i = 0; i < 100 && !condition(); i++) await new Promise(done => setTimeout(done, 20));
    return condition();
  };
  const change = (field, value, type = 'input') => {
    field.value = value;
    field.dispatchEvent(new Event(type, {bubbles: true}));
  };
  const key = (where, name) => where.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  try {
    const section = one('section[data-number]'), cards = () => all('.card', section), form = one('.tools', section);
    const seen = () => cards().filter(card => !card.hidden);
    const live = name => all(`[data-live="${name}"]`, section).map(place => place.textContent);
    const model = +section.dataset.threshold, blind = 'blind' in section.dataset;
    const wrong = t => cards().filter(c => !('small' in c.dataset) && (+c.dataset.score > t) !== ('flawed' in c.dataset)).length;
    const before = section.textContent;

    check('no markup from names', all('main b.evil, main script').length, 0);
    check('the tools are there', form.hidden, false);
    check('all cards', seen().length, cards().length);
    check('every picture has words', all('.tiles img', section).every(image => image.alt.length > 8), true);
    check('no two ids', new Set(all('[id]').map(e => e.id)).size, all('[id]').length);

    // The small pictures come when they are seen.
    const images = all('.tiles img', section);
    for (const image of images) image.loading = 'eager';
    check('every small picture loads', await until(() => images.every(i => i.complete && i.naturalWidth)), true);

    // What the script counts is what flawmap wrote.
    if (!blind) {
      check('links of mistakes', all('.mistakes a', section).length, wrong(model));
      check('they lead to cards', all('.mistakes a', section).every(a => one(a.getAttribute('href')).matches('.card.wrong')), true);
      check('intervals as computed before', before.replace(/\s+/g, ' ').includes(window.rates), true);
    }

    // Filter, search, sort.
    for (const box of all('[name=verdict]', form)) {
      const rest = seen().length;
      box.click();
      const gone = +box.nextElementSibling.textContent.slice(1, -1);
      check(`without ${box.value}`, seen().length, rest - gone);
      box.click();
    }
    change(form.from, model);
    check('score from', seen().every(c => +c.dataset.score >= model), true);
    change(form.from, '');
    change(form.elements.name, '000');
    check('name', seen().length > 0 && seen().every(c => one('.name', c).textContent.includes('000')), true);
    change(form.elements.name, '');
    change(form.order, 'low');
    const scores = cards().map(c => +c.dataset.score);
    check('sorted', scores, [...scores].sort((a, b) => a - b));
    change(form.view, 'found');
    check('one picture a card', getComputedStyle(one('.tiles .map', section)).display, 'none');
    form.reset();
    check('back again', await until(() => getComputedStyle(one('.tiles .map', section)).display !== 'none'), true);

    // A link to a card that is filtered away.
    if (!blind && one('.mistakes a', section)) {
      change(form.elements.name, 'there is none');
      const link = one('.mistakes a', section);
      link.click();
      check('a link shows its card', await until(() => !one(link.getAttribute('href')).hidden), true);
    }

    // The threshold.
    const slider = one('.slide input[type=range]', section), top = Math.max(...scores);
    change(slider, slider.max);
    check('nothing is flagged', live('alarms').every(n => n === '0'), true);
    check('badges follow', all('.card .badge', section).filter(b => b.textContent !== 'passed' && b.textContent !== 'missed').length, 0);
    check('mistakes follow', all('.mistakes a', section).length, blind ? 0 : one('.mistakes', section) ? wrong(+slider.value) : 0);
    check('the line moves', one('svg.dots line.cut', section).getAttribute('x1') > 500, true);
    change(slider, slider.min);
    check('all are flagged', all('.card .badge', section).filter(b => b.textContent === 'passed' || b.textContent === 'missed').length,
          cards().filter(c => 'small' in c.dataset).length);
    one('.slide button', section).click();
    check('back to the model', one('.keep', section).hidden, true);
    change(one('.slide input[type=number]', section), top, 'change');
    check('a number sets it', live('threshold')[0], `${+top.toPrecision(6)}`);
    one('.slide button', section).click();

    // A picture at its own size.
    const viewer = one('#viewer'), under = one('.under', viewer), over = one('.over', viewer);
    const first = cards()[0], [width, height] = first.dataset.size.split(' ').map(Number);
    one('a.tiles', first).click();
    check('opens', viewer.open, true);
    check('its name', one('h2', viewer).textContent, one('.name', first).textContent);
    check('the picture at its own size', await until(() => under.complete && under.naturalWidth === width && under.naturalHeight === height), true);
    check('the map over it', await until(() => over.complete && over.naturalWidth === width), true);
    check('nothing is missing', one('.trouble', viewer).hidden, true);
    key(viewer, 'm');
    check('map off', getComputedStyle(over).opacity, '0');
    key(viewer, 'm');
    check('map on', getComputedStyle(over).opacity, '1');
    key(viewer, 'z');
    check('own size', one('.layers', viewer).style.width, `${width}px`);
    key(viewer, 'z');
    key(viewer, 'ArrowRight');
    check('the next one', one('h2', viewer).textContent, one('.name', cards()[1]).textContent);
    key(viewer, 'ArrowLeft');
    check('and back', one('h2', viewer).textContent, one('.name', first).textContent);
    viewer.close();
    one('svg.dots circle[data-card]', section).dispatchEvent(new MouseEvent('click', {bubbles: true}));
    check('a dot opens its picture', viewer.open, true);
    viewer.close();
    check('no wider than the window', document.documentElement.scrollWidth <= innerWidth, true);
  } catch (trouble) {
    lines.push(`WRONG ${trouble} ${trouble.stack}`);
  }
  out.id = 'result';
  out.textContent = `\n${lines.join('\n')}\nend\n`;
  document.body.append(out);
})();
