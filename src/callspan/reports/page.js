"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// Everything on this page is text of models and users: it is set as text, never as markup.
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
  return element;
};
const whole = number => number === null || number === undefined ? "" : Number(number).toLocaleString("en");
const ms = number => {
  if (number === null || number === undefined) return "";
  if (number >= 100000) return `${Math.floor(number / 60000)} min ${Math.round(number % 60000 / 1000)} s`;
  if (number >= 1000) return `${(number / 1000).toFixed(number < 10000 ? 2 : 1)} s`;
  return number === 0 ? "0 ms" : number < 10 ? `${number.toFixed(2)} ms` : `${Math.round(number)} ms`;
};
const money = number => number === null || number === undefined ? "" : number >= 1 ? `$${number.toFixed(2)}` : `$${Number(number.toPrecision(2))}`;
const moment = number => new Date(number).toISOString().slice(0, 19).replace("T", " ");
const short = id => id.slice(0, 8);

const COLUMNS = [
  ["", row => row.key, row => row.key],
  ["requests", row => whole(row.requests), row => row.requests],
  ["errors", row => row.errors ? `${whole(row.errors)} (${(100 * row.errors / row.requests).toFixed(1)} %)` : "", row => row.errors],
  ["p50", row => ms(row.latency_ms?.p50), row => row.latency_ms?.p50],
  ["p95", row => ms(row.latency_ms?.p95), row => row.latency_ms?.p95],
  ["p99", row => ms(row.latency_ms?.p99), row => row.latency_ms?.p99],
  ["first chunk", row => ms(row.first_chunk_ms?.p50), row => row.first_chunk_ms?.p50],
  ["tokens in", row => (row.is_estimated ? "~" : "") + whole(row.input_tokens), row => row.input_tokens],
  ["out", row => (row.is_estimated ? "~" : "") + whole(row.output_tokens), row => row.output_tokens],
  ["cost", row => money(row.cost), row => row.cost],
  ["feedback", row => Object.entries(row.feedback || {}).filter(([, one]) => one.mean !== null)
    .map(([name, one]) => `${name} ${one.mean.toFixed(2)} (${one.count})`).join(", "), row => Object.values(row.feedback || {})[0]?.mean],
];

const table = (title, rows) => {
  if (!rows.length) return "";
  const columns = COLUMNS.filter((column, index) => !index || rows.some(row => column[1](row) !== "" && column[1](row) !== "~"));
  const body = make("tbody");
  const fill = sorted => body.replaceChildren(...sorted.map(row =>
    make("tr", { "data-text": String(row.key) }, ...columns.map(([name, text]) =>
      make("td", { class: name === "errors" ? "bad" : null, title: name ? null : row.key }, text(row))))));
  let by = null, down = true;
  const head = columns.map(([name, , value], index) => {
    const cell = make("th", { scope: "col" }, make("button", { type: "button", "aria-label": `Sort by ${name || "name"}`, onclick: () => {
      down = by === index ? !down : true;
      by = index;
      const order = (a, b) => { const [x, y] = [value(a) ?? -Infinity, value(b) ?? -Infinity]; return x < y ? -1 : x > y ? 1 : 0; };
      fill([...rows].sort((a, b) => down ? order(b, a) : order(a, b)));
      for (const other of head) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    } }, name || "name"));
    return cell;
  });
  fill(rows);
  return make("section", {}, make("h2", {}, title), make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": title },
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), body)));
};

const card = (label, value, style = null) => value === "" ? "" : make("div", { class: "card" }, make("small", {}, label), make("b", { class: style }, value));

const overview = () => {
  const { totals, read, over_time: time } = data;
  const latency = totals.latency_ms || {};
  const unread = Object.entries(read.unreadable).map(([reason, count]) => `${whole(count)} ${reason}`).join(", ");
  const most = Math.max(1, ...time.buckets.map(bucket => bucket.requests));
  return [
    make("div", { class: "cards" },
      card("traces", whole(totals.traces)), card("spans", whole(totals.spans)),
      card("failed roots", whole(totals.errors), totals.errors ? "bad" : null),
      card("p50", ms(latency.p50)), card("p95", ms(latency.p95)), card("p99", ms(latency.p99)),
      card("first chunk, p50", ms(totals.first_chunk_ms?.p50)),
      card("tokens in", whole(totals.input_tokens)), card("tokens out", whole(totals.output_tokens)),
      card("cost", money(totals.cost)), card("conversations", whole(totals.conversations)), card("users", whole(totals.users)),
      card("feedback", totals.feedback ? whole(totals.feedback) : "")),
    make("p", { class: "soft" }, `${(totals.first || "").slice(0, 19)} to ${(totals.last || "").slice(0, 19)} UTC, ${whole(read.spans)} spans read`,
      unread ? make("span", { class: "bad" }, `; could not be read: ${unread}`) : ""),
    time.buckets.length > 1 ? make("section", {}, make("h2", {}, `Requests by ${time.unit}`),
      make("ol", { class: "chart", "aria-label": `Requests by ${time.unit}` }, ...time.buckets.map(bucket => make("li", {
        title: `${bucket.key.slice(0, 16)}: ${whole(bucket.requests)} requests, ${whole(bucket.errors)} failed, p95 ${ms(bucket.latency_ms?.p95)}` },
        make("i", { class: "failed", style: `height:${100 * bucket.errors / most}%` }),
        make("i", { style: `height:${100 * (bucket.requests - bucket.errors) / most}%` })))),
      make("small", {}, `${time.buckets[0].key.slice(0, 16)} to ${time.buckets.at(-1).key.slice(0, 16)}, at most ${whole(most)}`)) : "",
    table("By model", data.by.model), table("By prompt template and version", data.by.prompt), table("By kind", data.by.kind),
    table("By name", data.by.name), table("By user", data.by.user), table("By conversation", data.by.conversation),
    data.errors.length ? make("section", {}, make("h2", {}, "Errors, where they began"), ...data.errors.map(error =>
      make("p", { "data-text": `${error.error_type} ${error.key} ${error.message}` }, make("b", { class: "bad" }, `${whole(error.count)} ${error.error_type || "error"}`),
        ` in ${error.key}: ${error.message || ""} `, make("small", {}, `last in trace ${short(error.trace_id)}`)))) : "",
  ];
};

const opinion = one => make("span", { class: `tag ${one.score === null ? "" : one.score >= 0.5 ? "good" : "bad"}`, title: `by ${one.annotator}, ${moment(one.time)}` },
  [one.name, one.score === null ? "" : Number(one.score.toFixed(2)), one.label].filter(word => word !== "" && word !== null).join(" "), one.comment ? `: ${one.comment}` : "");

const texts = (label, said) => said.length ? [make("div", { class: "role" }, label), ...said.map(([role, text]) =>
  make("div", { class: "text", tabindex: text.length > 800 ? 0 : null }, role ? make("span", { class: "role" }, `${role}: `) : "", text))] : [];

const contents = one => make("div", { class: "inside" },
  one.error ? make("p", { class: "bad" }, one.error) : "", ...texts("in", one.asked), ...texts("out", one.answered),
  make("small", {}, [`trace ${one.trace_id}`, `span ${one.span_id}`, moment(one.start), one.prompt ? `prompt ${one.prompt}` : "",
    one.conversation_id ? `conversation ${one.conversation_id}` : "", one.user_id ? `user ${one.user_id}` : ""].filter(Boolean).join(" · ")));

const facts = one => [make("span", {}, ms(one.duration_ms)),
  one.input_tokens === null && one.output_tokens === null ? "" : make("span", { class: "soft" }, `${one.is_estimated ? "~" : ""}${whole(one.input_tokens)} → ${whole(one.output_tokens)} tokens`),
  make("span", { class: "soft" }, money(one.cost)), one.outcome === "ok" ? "" : make("span", { class: "bad" }, one.outcome), ...one.feedback.map(opinion)];

const searched = one => [one.name, one.model, one.prompt, one.error, ...one.asked.flat(), ...one.answered.flat()].join(" ");

const calls = (title, several) => [make("h2", {}, title), ...several.map(one => make("details", { "data-text": searched(one) },
  make("summary", {}, make("b", {}, one.name), ...facts(one)), contents(one)))];

const trace = one => {
  const total = one.duration_ms || 1;
  const spans = one.spans.flatMap(span => {
    const below = make("div", { hidden: true }, contents(span));
    const button = make("button", { type: "button", class: "span", "aria-expanded": "false", onclick: () => {
      below.hidden = !below.hidden;
      button.setAttribute("aria-expanded", String(!below.hidden));
    } },
      make("span", { class: "name", style: `padding-left:${Math.min(span.depth, 12)}rem`, title: span.name }, make("span", { class: "soft" }, `${span.kind} `), span.name),
      make("span", { class: `lane ${span.kind} ${span.outcome === "error" ? "failed" : ""}` },
        make("i", { style: `left:${100 * span.offset_ms / total}%;width:${100 * span.duration_ms / total}%` })),
      make("span", { class: "time" }, ms(span.duration_ms)));
    return [button, below];
  });
  const root = one.spans[0];
  return make("details", { "data-text": one.spans.map(searched).join(" ") }, make("summary", {}, make("b", {}, root?.name || "trace"),
    make("span", {}, ms(one.duration_ms)), make("span", { class: "soft" }, `${one.spans.length} ${one.spans.length === 1 ? "span" : "spans"} · ${moment(one.start)} · ${short(one.trace_id)}`),
    one.spans.some(span => span.outcome === "error") ? make("span", { class: "bad" }, "error") : "", ...one.spans.flatMap(span => span.feedback).map(opinion)),
    make("div", { class: "inside" }, ...spans));
};

const conversation = one => make("details", { "data-text": one.turns.map(turn => `${turn.asked} ${turn.answered}`).join(" ") },
  make("summary", {}, make("b", {}, one.conversation_id), make("span", { class: "soft" }, `${one.turns.length} ${one.turns.length === 1 ? "turn" : "turns"}`), ...one.feedback.map(opinion)),
  make("div", { class: "inside chat" }, ...one.turns.flatMap(turn => [
    make("small", {}, `turn ${turn.number}${turn.step && turn.step !== turn.number ? ` (step ${turn.step})` : ""} · ${moment(turn.start)} · ${ms(turn.duration_ms)} · trace ${short(turn.trace_id)}`),
    make("div", { class: "bubble user" }, turn.asked), make("div", { class: "bubble" }, turn.answered || turn.outcome),
    turn.feedback.length ? make("div", { class: "given" }, ...turn.feedback.map(opinion)) : ""])));

const retrieval = one => {
  const most = Math.max(...one.documents.map(document => Math.abs(document.score ?? 0))) || 1;
  return make("details", { "data-text": `${one.query} ${one.documents.map(document => document.text).join(" ")}` },
    make("summary", {}, make("b", {}, one.query || "no query"), make("span", {}, ms(one.duration_ms)), make("span", { class: "soft" }, `${one.name} · ${one.found} documents · trace ${short(one.trace_id)}`)),
    make("div", { class: "inside" }, ...one.documents.map(document => make("div", { class: "score" },
      make("span", {}, document.score === null ? "no score" : Number(document.score.toPrecision(4))),
      make("span", { class: "lane" }, make("i", { style: `width:${100 * Math.abs(document.score ?? 0) / most}%` })),
      make("div", {}, document.id ? make("div", { class: "role" }, document.id) : "", make("div", { class: "text" }, document.text))))));
};

const feedback = () => [
  make("h2", {}, "Feedback"), ...data.feedback.map(row => make("p", {}, make("b", {}, row.key), ` ${whole(row.count)} times`,
    row.mean === null ? "" : `, mean ${row.mean.toFixed(2)}`, ...Object.entries(row.labels).map(([label, count]) => `, ${label} ${whole(count)}`))),
  make("p", { class: "soft" }, [data.totals.feedback_unknown ? `${whole(data.totals.feedback_unknown)} about spans that are not in these files` : "",
    data.totals.feedback_repeated ? `${whole(data.totals.feedback_repeated)} given again and counted once` : ""].filter(Boolean).join(", ")),
  make("h2", {}, "Newest"), ...data.newest_feedback.map(one => make("p", { "data-text": `${one.name} ${one.label} ${one.comment}` }, opinion(one), " ",
    make("small", {}, `by ${one.annotator}, ${moment(one.time)}${one.trace_id ? `, trace ${short(one.trace_id)}` : one.is_known ? "" : ", about nothing in these files"}`))),
];

const PARTS = {
  Overview: overview,
  Calls: () => [...calls("Slowest model calls", data.slowest), ...calls("Most expensive model calls", data.dearest)],
  Traces: () => [make("h2", {}, "Slowest traces, and the newest that failed"), ...data.traces.map(trace)],
  Conversations: () => [make("h2", {}, "Conversations with feedback first"), ...data.conversations.map(conversation)],
  Retrieval: () => [make("h2", {}, "Newest retrievals"), ...data.retrievals.map(retrieval)],
  Feedback: feedback,
};
const IS_EMPTY = { Calls: !data.slowest.length, Conversations: !data.conversations.length, Retrieval: !data.retrievals.length, Feedback: !data.totals.feedback };

const tabs = document.getElementById("tabs"), panels = document.getElementById("panels");
const show = (name, focus) => {
  for (const tab of tabs.children) {
    const is = tab.textContent === name;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !is;
    if (is && focus) tab.focus();
  }
  history.replaceState(null, "", `#${name.toLowerCase()}`);
};
for (const [name, draw] of Object.entries(PARTS)) {
  if (IS_EMPTY[name]) continue;
  const id = `panel-${name.toLowerCase()}`;
  tabs.append(make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": id, onclick: () => show(name) }, name));
  panels.append(make("div", { role: "tabpanel", id, "aria-labelledby": `tab-${id}` }, ...draw().filter(part => part !== "")));
}
tabs.addEventListener("keydown", event => {
  const all = [...tabs.children], step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = all.findIndex(tab => tab.tabIndex === 0);
  const next = step ? all.at((at + step) % all.length) : { Home: all[0], End: all.at(-1) }[event.key];
  if (next) { event.preventDefault(); show(next.textContent, true); }
});
document.getElementById("search").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const element of document.querySelectorAll("[data-text]")) element.hidden = !element.dataset.text.toLowerCase().includes(wanted);
});
const theme = document.getElementById("theme");
const setDark = dark => { document.documentElement.dataset.theme = dark ? "dark" : "light"; theme.setAttribute("aria-pressed", String(dark)); };
theme.setAttribute("aria-pressed", String(matchMedia("(prefers-color-scheme: dark)").matches));
theme.addEventListener("click", () => setDark(theme.getAttribute("aria-pressed") !== "true"));
show(Object.keys(PARTS).find(name => `#${name.toLowerCase()}` === location.hash && !IS_EMPTY[name]) || "Overview");
