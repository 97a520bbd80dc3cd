// The operator's page. Text goes in as text only: session ids and payloads are strangers' words.
const $ = id => document.getElementById(id);
const INTERVAL = +document.body.dataset.interval;
const MOST_POINTS = 720;
const points = [];

const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text != null) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const svg = (tag, attributes) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
};
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = value => value == null ? '–' : value >= 100 || value === 0 ? whole.format(value) : value.toPrecision(3).replace(/\.?0+$/, '');
const span = ms => ms == null ? '–' : ms < 1000 ? `${short(ms)} ms` : ms < 120e3 ? `${short(ms / 1e3)} s` : ms < 7.2e6 ? `${short(ms / 6e4)} min` : `${short(ms / 3.6e6)} h`;

/** How much a counter rose per second between two samples; one that fell has begun anew. */
function rate(before, now, read) {
  const from = read(before), to = read(now);
  if (from == null || to == null || now.at <= before.at) return null;
  return (to >= from ? to - from : to) * 1e3 / (now.at - before.at);
}

/** A quantile of what two counts by bound differ in, within its bucket by straight line. */
function quantile(before, now, share) {
  const bounds = Object.keys(now).map(key => [key === '+Inf' ? Infinity : +key, now[key] - (before[key] ?? 0)]).sort((one, other) => one[0] - other[0]);
  const total = bounds.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  let low = 0, below = 0;
  for (const [bound, count] of bounds) {
    if (count >= share * total) return bound === Infinity ? low : low + (bound - low) * (share * total - below) / Math.max(1e-9, count - below);
    [low, below] = [bound, count];
  }
  return low;
}

const job = name => point => point.job?.sums[name];
const latency = share => (before, now) => before.job && now.job ? quantile(before.job.latency, now.job.latency, share) : null;
const answers = share => (before, now) => { const found = quantile(before.server.latency, now.server.latency, share); return found == null ? null : found * 1e3; };
const statuses = wanted => point => Object.entries(point.server.statuses).reduce((sum, [status, count]) => sum + (wanted(status) ? count : 0), 0);
const age = (_, now) => now.job?.largest.model_version_ms ? now.at - now.job.largest.model_version_ms : null;

function perExposure(variant) {
  return (before, now) => {
    const from = before.job?.variants[variant], to = now.job?.variants[variant];
    const seen = to && from ? to.exposures - from.exposures : 0;
    return seen > 0 ? (to.reward_milli - to.penalty_milli - from.reward_milli + from.penalty_milli) / seen / 10 : null;
  };
}

const CHARTS = [
  { title: 'Throughput, per second', unit: short, lines: { 'events applied': (a, b) => rate(a, b, job('events_applied')), 'profiles written': (a, b) => rate(a, b, job('profiles_written')) } },
  { title: 'Click to Redis', unit: span, lines: { median: latency(.5), 'p99': latency(.99) } },
  { title: 'This server, answers per second', unit: short, lines: { good: (a, b) => rate(a, b, statuses(status => status < '500')), 'failed (5xx)': (a, b) => rate(a, b, statuses(status => status >= '500')) } },
  { title: 'This server, time to the answer', unit: span, lines: { median: answers(.5), 'p99': answers(.99) } },
  { title: 'Reward per item seen, by variant', unit: value => `${short(value)} %`, span: 12, lines: {}, variants: true },
  { title: 'Age of the model', unit: span, lines: { age } },
];

/** Values of one line; `wide` compares samples further apart, for what is rare. */
const values = (line, wide = 1) => points.map((point, index) => index < wide ? null : line(points[index - wide], point));

function draw() {
  const newest = points.at(-1), before = points.at(-2);
  if (!newest) return;
  $('trouble').textContent = newest.trouble ?? (newest.job ? '' : 'No address of the job’s metrics is configured: serving.job_metrics');
  const letters = before && rate(before, newest, job('dead_letters'));
  const tiles = [
    ['events applied per second', before && short(rate(before, newest, job('events_applied')))],
    ['click to Redis, p99', before && span(latency(.99)(before, newest))],
    ['age of the newest event', span(newest.job?.largest.event_lag_ms)],
    ['age of the model', span(age(null, newest))],
    ['dead letters per minute', letters == null ? null : short(letters * 60), letters > 0],
    ['overload level', newest.job && short(newest.job.largest.overload_level), newest.job?.largest.overload_level > 0],
    ['answers with 5xx', short(statuses(status => status >= '500')(newest)), statuses(status => status >= '500')(newest) > 0],
  ];
  $('tiles').replaceChildren(...tiles.map(([name, value, bad]) => {
    const tile = make('li', null, bad ? 'bad' : '');
    tile.append(make('b', value ?? '–'), make('span', name));
    return tile;
  }));
  $('charts').replaceChildren(...CHARTS.map(drawChart));
}

function drawChart(chart) {
  const lines = chart.variants ? Object.fromEntries(Object.keys(points.at(-1).job?.variants ?? {}).slice(0, 4).map(name => [name || 'all', perExposure(name)])) : chart.lines;
  const drawn = Object.entries(lines).map(([name, line]) => [name, values(line, chart.span)]);
  const most = Math.max(1e-9, ...drawn.flatMap(([, line]) => line.filter(value => value != null)));
  const figure = make('figure', null, 'chart'), caption = make('figcaption', chart.title), picture = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', role: 'img' });
  const captions = drawn.map(([name, line]) => `${name} ${chart.unit(line.findLast(value => value != null))}`);
  picture.setAttribute('aria-label', `${chart.title}, now: ${captions.join(', ') || 'nothing yet'}`);
  for (const y of [0, 50, 100]) picture.append(svg('line', { x1: 0, x2: 100, y1: y, y2: y }));
  drawn.forEach(([, line], index) => {
    let path = '', pen = 'M';
    line.forEach((value, at) => {
      if (value == null) { pen = 'M'; return; }
      path += `${pen}${(100 * at / Math.max(1, line.length - 1)).toFixed(2)} ${(100 - 96 * value / most).toFixed(2)}`;
      pen = 'L';
    });
    picture.append(svg('path', { d: path, class: 'c' + index }));
    caption.append(make('span', captions[index], 'key c' + index));
  });
  const axis = make('div', null, 'axis');
  axis.append(make('span', new Date(points[0].at).toLocaleTimeString()), make('span', `top: ${chart.unit(most > 1e-9 ? most : null)}`), make('span', 'now'));
  figure.append(caption, picture, axis);
  return figure;
}

async function read(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(20e3) });
  const body = await answer.json();
  if (!answer.ok) throw Error(body.detail ?? answer.statusText);
  return body;
}

async function refresh() {
  try {
    points.push(...await read(`/admin/figures?after=${points.at(-1)?.at ?? 0}`));
    points.splice(0, points.length - MOST_POINTS);
    if (!document.hidden) draw();
  } catch (error) { $('trouble').textContent = `This server does not answer: ${error.message}`; }
  setTimeout(refresh, INTERVAL);
}

async function readDeadLetters() {
  try {
    const { total, reasons, newest } = await read('/admin/dead-letters');
    $('dead-total').textContent = total ? `${whole.format(total)} in the topic. The reasons of the newest:` : 'None.';
    $('dead-reasons').hidden = !total;
    $('dead-reasons').tBodies[0].replaceChildren(...Object.entries(reasons).map(([reason, count]) => {
      const row = make('tr');
      row.append(make('td', reason), make('td', whole.format(count)));
      return row;
    }));
    $('dead-newest').replaceChildren(...newest.map(letter => {
      const line = make('li');
      line.append(make('strong', letter.reason), ` ${letter.field ?? ''} ${letter.detail} · ${letter.origin} · ${new Date(letter.at).toLocaleString()} · ${whole.format(letter.bytes)} bytes`, make('pre', letter.payload));
      return line;
    }));
  } catch (error) { $('dead-total').textContent = error.message; }
}

const inWords = counted => Object.entries(counted ?? {}).map(([name, count]) => `${name.replaceAll('_', ' ')} ${typeof count === 'number' ? short(count) : `(${inWords(count)})`}`).join(', ') || 'none';

function explain(found) {
  const list = make('dl'), table = make('table'), head = make('tr');
  const facts = {
    Status: `${found.status}, version ${found.version} of generation ${found.generation}`,
    'Last event': found.last_event ? `${found.last_event.event_type} at ${new Date(found.last_event.timestamp).toLocaleString()}` : 'none',
    Inputs: inWords(found.counts),
    Windows: inWords(found.windows),
    Categories: inWords(found.affinities?.categories),
    Products: inWords(found.affinities?.products),
    'Chosen by': `${found.policy}, variant ${found.variant}, model of ${found.model_version ? new Date(found.model_version).toLocaleTimeString() : 'before the first'}`,
    Decision: found.decision_id,
  };
  for (const name in facts) list.append(make('dt', name), make('dd', facts[name]));
  head.append(...['Position', 'Product', 'Why', 'How', 'Score', 'Propensity'].map(name => Object.assign(make('th', name), { scope: 'col' })));
  table.createTHead().append(head);
  table.createTBody().append(...found.items.map((item, index) => {
    const row = make('tr');
    const why = item.because.map(({ text, share }) => share ? `${text} (${Math.round(share * 100)} %)` : text).join('; ');
    row.append(make('td', index + 1), make('td', item.title), make('td', why), make('td', item.how), make('td', short(item.score), 'number'), make('td', short(item.propensity), 'number'));
    return row;
  }));
  const wide = make('div', null, 'table');
  wide.append(table);
  $('answer').replaceChildren(list, wide, make('p', 'Every event used and every product left out, on this machine:', 'lead'), make('pre', `heliotrope explain '${found.session_id.replaceAll("'", "'\\''")}'`));
}

$('ask').addEventListener('submit', async event => {
  event.preventDefault();
  try { explain(await read('/admin/session?' + new URLSearchParams({ id: $('session').value }))); } catch (error) { $('answer').replaceChildren(make('p', error.message)); }
});
$('dead-again').addEventListener('click', readDeadLetters);
document.addEventListener('visibilitychange', draw);
refresh();
readDeadLetters();
