// The panel: settings in, the windows on a grid and what they give out.

const SVG = "http://www.w3.org/2000/svg";
const STEP = 700; // milliseconds from window to window
const panel = document.getElementById("panel");
const field = (name) => panel.querySelector(`[name="${name}"]`);
const whole = (name) => Number(field(name).value);
const presets = JSON.parse(panel.dataset.presets);

let seed = 1;
let chosen = 0; // which window is shown, in row-major order
let given = null; // the values of the preset, if it has some
let base = null; // the preset that was chosen, and what is shown: it or what its button leads to
let shown = null;
let timer = null; // runs while the window moves by itself

// What the cells say in each view: those of the input, those of the output.
const VIEWS = {
  values: (settings, result) => [settings.values, result.values],
  indices: (settings, result) => [
    settings.values.map((row, y) => row.map((_, x) => y * row.length + x)),
    result.indices,
  ],
  gradient: (settings, result) => [result.gradient, result.values.map((row) => row.map(() => 1))],
};

// The preset's values, or the same numbers for the same seed, from 0 to 99.
function numbers(rows, columns) {
  if (given && given.length === rows && given[0].length === columns) return given;
  let state = seed;
  return Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return Math.floor(state / 65536) % 100;
    }),
  );
}

function settingsFromFields() {
  const pair = (name) => [whole(`${name}_rows`), whole(`${name}_columns`)];
  const [rows, columns] = pair("size");
  const largest = Number(field("size_rows").max);
  if (![rows, columns].every((n) => Number.isInteger(n) && n >= 1 && n <= largest)) {
    throw new Error(`the input has 1 to ${largest} rows and columns`);
  }
  const kind = field("padding").value;
  const explicit = kind === "explicit";
  const pads = ["top", "bottom", "left", "right"].map(whole);
  panel.querySelector(".pads").hidden = !explicit;
  return {
    values: numbers(rows, columns),
    pool_size: pair("pool_size"),
    strides: pair("strides"),
    dilation_rate: pair("dilation_rate"),
    padding: explicit ? [pads.slice(0, 2), pads.slice(2)] : kind,
    ceil_mode: field("ceil_mode").checked,
  };
}

function fill(preset) {
  shown = preset;
  given = preset.values;
  chosen = 0;
  for (const name of ["size", "pool_size", "strides", "dilation_rate"]) {
    const [rows, columns] = preset[name] ?? preset.pool_size;
    field(`${name}_rows`).value = rows;
    field(`${name}_columns`).value = columns;
  }
  const named = typeof preset.padding === "string";
  field("padding").value = named ? preset.padding : "explicit";
  if (!named) {
    preset.padding.flat().forEach((pad, side) => {
      field(["top", "bottom", "left", "right"][side]).value = pad;
    });
  }
  field("ceil_mode").checked = preset.ceil_mode;
  panel.querySelector(`[name="view"][value="${preset.view}"]`).checked = true;
  panel.querySelector(".said p").textContent = preset.says;
  draw();
}

function choose(index) {
  base = presets[index];
  for (const button of panel.querySelectorAll(`button[name="preset"]`)) {
    button.setAttribute("aria-pressed", button.value === String(index));
  }
  field("then").hidden = !base.then;
  field("then").textContent = base.then?.name ?? "";
  field("then").setAttribute("aria-pressed", false);
  fill(base);
}

// The layer that the settings describe, as Python.
function layer({ pool_size, strides, padding, dilation_rate, ceil_mode }) {
  const short = ([rows, columns]) => (rows === columns ? `${rows}` : `(${rows}, ${columns})`);
  const parts = [short(pool_size)];
  if (short(strides) !== short(pool_size)) parts.push(`strides=${short(strides)}`);
  if (typeof padding !== "string") {
    const sides = padding.flat();
    const equal = sides.every((pad) => pad === sides[0]);
    const pairs = padding.map((pair) => `(${pair.join(", ")})`);
    parts.push(`padding=${equal ? sides[0] : `(${pairs.join(", ")})`}`);
  } else if (padding !== "valid") {
    parts.push(`padding="${padding}"`);
  }
  if (short(dilation_rate) !== "1") parts.push(`dilation_rate=${short(dilation_rate)}`);
  if (ceil_mode) parts.push("ceil_mode=True");
  return `MaxPool2D(${parts.join(", ")})`;
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A grid of cells, each {text, kind}; `onCell`, if given, is told of a cell that is pointed at.
function drawGrid(svg, rows, onCell) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `-0.05 -0.05 ${rows[0].length + 0.1} ${rows.length + 0.1}`);
  // Cells are equally large in both grids, as far as there is room.
  svg.style.maxWidth = `${rows[0].length * 40}px`;
  rows.forEach((cells, y) =>
    cells.forEach((cell, x) => {
      const group = element("g", { class: `cell ${cell.kind}` });
      group.append(
        element("rect", { x: x + 0.04, y: y + 0.04, width: 0.92, height: 0.92, rx: 0.12 }),
        element("text", { x: x + 0.5, y: y + 0.5 }, cell.text),
      );
      if (onCell) {
        for (const event of ["mouseenter", "click"]) {
          group.addEventListener(event, () => onCell(y * rows[0].length + x));
        }
      }
      svg.append(group);
    }),
  );
}

function inputCells(settings, result, at, texts) {
  const [[top, bottom], [left, right]] = result.pads;
  const height = settings.values.length;
  const width = settings.values[0].length;
  const axes = result.pads.map(([before]) => ({ before }));
  const key = (y, x) => y * width + x;
  const read = new Set();
  for (let row = 0; row < result.shape[0]; row++) {
    for (let column = 0; column < result.shape[1]; column++) {
      for (const [y, x] of elements(settings, axes, row, column)) read.add(key(y, x));
    }
  }
  const window = new Set(elements(settings, axes, ...at).map(([y, x]) => key(y, x)));
  const winner = result.indices[at[0]][at[1]];
  const winners = new Set(result.indices.flat());
  return Array.from({ length: top + height + bottom + result.over[0] }, (_, row) =>
    Array.from({ length: left + width + right + result.over[1] }, (_, column) => {
      const [y, x] = [row - top, column - left];
      if (y < 0 || x < 0 || y >= height || x >= width) {
        const offset = [
          row - at[0] * settings.strides[0],
          column - at[1] * settings.strides[1],
        ];
        const inside = offset.every(
          (by, axis) =>
            by >= 0 &&
            by % settings.dilation_rate[axis] === 0 &&
            by / settings.dilation_rate[axis] < settings.pool_size[axis],
        );
        return { text: "", kind: inside ? "pad window" : "pad" };
      }
      const kinds = [read.has(key(y, x)) ? "read" : "unread"];
      if (window.has(key(y, x))) kinds.push("window");
      if (winners.has(key(y, x))) kinds.push("winner");
      if (key(y, x) === winner) kinds.push("here");
      return { text: texts[y][x], kind: kinds.join(" ") };
    }),
  );
}

// The result, in words.
function sentences(settings, { shape, pads, over, values, indices }, at) {
  const [[top, bottom], [left, right]] = pads;
  const said = [
    `${layer(settings)}: ${settings.values.length} x ${settings.values[0].length} becomes ${shape[0]} x ${shape[1]}.`,
  ];
  if (top + bottom + left + right) {
    said.push(`Padding: ${top} above, ${bottom} below, ${left} left, ${right} right.`);
  }
  if (over[0] + over[1]) said.push(`The last windows hang over by ${over[0]} below, ${over[1]} right.`);
  const index = indices[at[0]][at[1]];
  const name = `Window ${chosen + 1} of ${shape[0] * shape[1]}:`;
  if (index < 0) {
    said.push(`${name} only padding, so the index is -1, and the gradient goes nowhere.`);
  } else {
    said.push(`${name} the maximum is ${values[at[0]][at[1]]}, at index ${index}. Its gradient goes there.`);
  }
  return said.join(" ");
}

function draw() {
  const said = panel.querySelector("output");
  const [input, output] = panel.querySelectorAll("svg");
  let settings, result;
  try {
    settings = settingsFromFields();
    result = pool(settings);
  } catch (error) {
    stop();
    said.textContent = `Not possible: ${error.message}.`;
    panel.classList.add("wrong");
    return;
  }
  panel.classList.remove("wrong");
  const columns = result.shape[1];
  const count = result.shape[0] * columns;
  chosen = Math.min(chosen, count - 1);
  const at = [Math.floor(chosen / columns), chosen % columns];
  field("window").max = count - 1;
  field("window").value = chosen;
  said.textContent = sentences(settings, result, at);
  const view = panel.querySelector(`[name="view"]:checked`).value;
  const [inputs, outputs] = VIEWS[view](settings, result);
  drawGrid(input, inputCells(settings, result, at, inputs));
  const cells = outputs.map((texts, y) =>
    texts.map((text, x) => ({
      text: text ?? "",
      kind: y * columns + x === chosen ? "read window here" : "read",
    })),
  );
  drawGrid(output, cells, (window) => {
    stop();
    if (window !== chosen) {
      chosen = window;
      draw();
    }
  });
}

function stop() {
  clearInterval(timer);
  timer = null;
  field("play").textContent = "play";
  panel.querySelector("output").ariaLive = "polite";
}

function play() {
  field("play").textContent = "pause";
  panel.querySelector("output").ariaLive = "off"; // not each window is read out
  timer = setInterval(() => {
    chosen = (chosen + 1) % (Number(field("window").max) + 1);
    draw();
  }, STEP);
}

panel.addEventListener("click", ({ target }) => {
  if (target.matches(`button[name="preset"]`)) choose(target.value);
});
panel.addEventListener("change", ({ target }) => {
  if (target.matches(`select[name="preset"]`)) choose(target.value);
});
field("then").addEventListener("click", () => {
  const pressed = shown === base;
  field("then").setAttribute("aria-pressed", pressed);
  fill(pressed ? base.then : base);
});
field("play").addEventListener("click", () => (timer === null ? play() : stop()));
field("window").addEventListener("input", () => {
  stop();
  chosen = whole("window");
});
field("new_values").addEventListener("click", () => {
  seed += 1;
  given = null;
  draw();
});
panel.addEventListener("input", draw);
choose(0);
