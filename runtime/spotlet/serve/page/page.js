"use strict";
// The page of a served run. Everything from the run is set as text, never as markup: names of
// classes and sources come from files made by others.

// The colours of classes, as on the pictures: `PALETTE_RGB` of spotlet.annotate.
const PALETTE = [
  "#ff3c3c", "#00ff00", "#0f5aff", "#2df0ff", "#ffd200", "#ffb4f0", "#3c872d", "#ff00e1",
  "#0078c3", "#ffb487", "#d21e78", "#00f0a5", "#96d200", "#964bb4", "#ff8700", "#876900",
  "#d2e187", "#a500ff", "#b44b4b", "#00a587",
];
const POLL_MS = 2000;
const ANSWER_MS = 4000; // without an answer for this long there is no connection
const PICTURE_MS = 125; // between two pictures of a source
const QUIET_MS = 6000; // frames are counted but no event came: the stream of events is broken
const MOST_CHIPS = 24;

const main = document.getElementById("cards");
const template = document.getElementById("card");
const cards = new Map();
let events = null;
let heardAt = 0;
let answeredAt = null;

class Card {
  constructor(source, slug) {
    this.slug = slug;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.part = (name) => this.root.querySelector(name);
    this.image = this.part("img");
    this.part("h2").textContent = this.part("h2").title = source;
    this.image.alt = `newest picture of ${source}`;
    this.frames = 0;
    this.event = null;
    this.found = []; // of the last inferred frame
    this.visible = true;
    this.asking = false;
    this.shown = null; // epoch and number of the picture's frame
    this.wanted = true;
    main.append(this.root);
    this.ask();
  }

  // Fetches the newest picture, and the next once this one is here and there is a newer one.
  async ask() {
    if (this.asking) return;
    this.asking = true;
    while (this.wanted && this.visible && !document.hidden) {
      this.wanted = false;
      const began = performance.now();
      if (!(await this.fetchPicture())) {
        await sleep(500);
        this.wanted ||= answeredAt !== null && this.frames > 0;
      }
      await sleep(PICTURE_MS - (performance.now() - began));
    }
    this.asking = false;
  }

  async fetchPicture() {
    try {
      const answer = await fetch(`snapshot/${encodeURIComponent(this.slug)}.jpg`, {
        signal: AbortSignal.timeout(ANSWER_MS * 2),
      });
      if (!answer.ok) return false;
      const url = URL.createObjectURL(await answer.blob());
      const before = this.image.src;
      this.image.src = url;
      await this.image.decode().catch(() => {});
      if (before) URL.revokeObjectURL(before);
      if (this.image.hidden) {
        this.image.hidden = false;
        this.part(".waiting").hidden = true;
        if (this.image.naturalWidth) {
          const shape = this.image.naturalWidth / this.image.naturalHeight;
          this.part(".picture").style.aspectRatio = String(Math.max(shape, 1));
        }
      }
      return true;
    } catch {
      return false;
    }
  }

  want() {
    this.wanted = true;
    this.ask();
  }

  setState(state, reason, at) {
    this.root.dataset.state = state;
    this.part(".state").textContent = state;
    const text = [at ? clock(at) : "", reason || ""].filter(Boolean).join(" · ");
    this.part(".reason").textContent = text;
    this.part(".reason").hidden = state === "live" || !text;
  }

  setHealth(health) {
    this.setState(health.state, health.reason, health.at);
    this.part(".rate").textContent = health.frames_per_second.toFixed(1);
    this.part(".frames").textContent = health.frames.toLocaleString("en");
    this.part(".dropped").textContent = health.dropped.toLocaleString("en");
    if (health.state !== "live" && health.age_ms !== null) this.setAge(health.age_ms);
    if (health.frames !== this.frames) this.want();
    this.frames = health.frames;
  }

  setAge(ms) {
    const [number, unit] = ms < 10000 ? [Math.round(ms), "ms"] : span(ms / 1000);
    const small = document.createElement("small");
    small.textContent = unit;
    this.part(".age").replaceChildren(String(number), small);
  }

  // Draws the newest frame's event, at most once per repaint.
  setFrame(event) {
    const first = this.event === null;
    if (event.inferred === false) event.detections = this.found;
    this.found = event.detections;
    this.event = event;
    if (first) requestAnimationFrame(() => this.drawFrame());
    this.want();
  }

  drawFrame() {
    const event = this.event;
    this.event = null;
    this.setAge(event.age_ms);
    if (this.root.dataset.state === "connecting") this.setState("live");
    const chips = event.detections.slice(0, MOST_CHIPS).map(chip);
    const more = event.detections.length - chips.length;
    if (!event.detections.length) chips.push(item("li", "none", event.inferred === false ? "nothing has moved" : "no objects in this frame"));
    if (more > 0) chips.push(item("li", "none", `and ${more} more`));
    this.part(".found").replaceChildren(...chips);
    if (event.counts) this.setCounts(event.counts);
  }

  setCounts(counts) {
    const rows = [
      ...Object.entries(counts.lines).map(([name, line]) =>
        row(name, `in ${named(line.in)} · out ${named(line.out)}`)),
      ...Object.entries(counts.zones).map(([name, zone]) =>
        row(name, `inside ${named(zone.inside)} · entered ${named(zone.entered)}`)),
    ];
    this.part(".counts").replaceChildren(...rows);
    this.part(".counts").hidden = !rows.length;
  }
}

function chip(found) {
  const root = item("li", "", "");
  const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  swatch.classList.add("swatch");
  for (const side of ["width", "height"]) square.setAttribute(side, "10");
  square.setAttribute("rx", "3");
  square.setAttribute("fill", PALETTE[found.class % PALETTE.length]);
  swatch.append(square);
  root.append(swatch, item("span", "", found.name));
  if (found.track !== null) root.append(item("small", "", `#${found.track}`));
  root.append(item("small", "", `${Math.round(found.score * 100)} %`));
  return root;
}

function row(name, text) {
  const root = item("div", "", "");
  root.append(item("b", "", name), item("span", "", text));
  return root;
}

function item(tag, kind, text) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

function named(byClass) {
  const known = Object.entries(byClass).filter(([, count]) => count > 0);
  return known.map(([name, count]) => `${count} ${name}`).join(", ") || "0";
}

function clock(at) {
  return new Date(at * 1000).toLocaleTimeString("en-GB");
}

function span(seconds) {
  if (seconds < 60) return [Math.round(seconds), "s"];
  return seconds < 3600 ? [Math.round(seconds / 60), "min"] : [Math.round(seconds / 3600), "h"];
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, Math.max(ms, 0)));
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = [...cards.values()].find((each) => each.root === entry.target);
    if (!card) continue;
    card.visible = entry.isIntersecting;
    if (card.visible) card.want();
  }
}, { rootMargin: "200px" });

function showSources(sources) {
  const known = new Set(sources.map((each) => each.source));
  for (const [source, card] of cards) {
    if (known.has(source)) continue;
    card.wanted = card.visible = false;
    card.root.remove();
    cards.delete(source);
  }
  for (const health of sources) {
    let card = cards.get(health.source);
    if (!card) {
      card = new Card(health.source, health.slug);
      cards.set(health.source, card);
      watcher.observe(card.root);
    }
    card.setHealth(health);
  }
  main.classList.toggle("one", sources.length === 1);
}

function showLink(state, text) {
  const link = document.getElementById("link");
  if (link.dataset.link === state && link.lastElementChild.textContent === text) return;
  link.dataset.link = state;
  link.lastElementChild.textContent = text;
  document.body.classList.toggle("stale", state === "off");
  const lost = document.getElementById("lost");
  lost.hidden = state !== "off";
  if (state === "off") {
    const since = answeredAt === null ? "" : ` since ${clock(answeredAt / 1000)}`;
    lost.textContent = text === "no access"
      ? "This run needs a token: open its link with ?token= again."
      : `No connection to the run${since}. This page is out of date; reconnecting.`;
  }
}

function showRefusal(refused) {
  const line = document.getElementById("refused");
  line.hidden = !refused;
  line.textContent = refused
    ? `${clock(refused.at)} · a new package was refused: ${refused.reason}`
    : "";
}

function listen() {
  if (events) events.close();
  heardAt = Date.now();
  events = new EventSource("events");
  events.onmessage = (message) => {
    heardAt = Date.now();
    const event = JSON.parse(message.data);
    const card = cards.get(event.source);
    if (!card) return;
    if (event.event === "status") card.setState(event.state, event.reason, event.at);
    else if (!event.event) card.setFrame(event);
  };
}

async function poll() {
  const before = [...cards.values()].reduce((sum, card) => sum + card.frames, 0);
  try {
    const answer = await fetch("healthz", { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 401) {
      showLink("off", "no access");
      return;
    }
    const health = await answer.json();
    answeredAt = Date.now();
    document.getElementById("model").textContent = health.model ?? health.title;
    showRefusal(health.refused);
    showSources(health.sources);
    const live = health.sources.filter((each) => each.up).length;
    showLink("on", `${live} of ${health.sources.length} live`);
    const after = health.sources.reduce((sum, each) => sum + each.frames, 0);
    const broken = after !== before && Date.now() - heardAt > QUIET_MS;
    if (!events || events.readyState === EventSource.CLOSED || broken) listen();
  } catch {
    showLink("off", "no connection");
  }
}

async function watch() {
  for (;;) {
    if (!document.hidden) await poll();
    await sleep(document.getElementById("link").dataset.link === "on" ? POLL_MS : POLL_MS / 2);
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    if (events) events.close();
    events = null;
  } else {
    poll();
    for (const card of cards.values()) card.want();
  }
});

watch();
