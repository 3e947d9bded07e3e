// The panel: settings in, the windows on a grid and what they give out.

const SVG = "http://www.w3.org/2000/svg";
const panel = document.getElementById("panel");
const field = (name) => panel.querySelector(`[name="${name}"]`);
const whole = (name) => Number(field(name).value);
const presets = JSON.parse(panel.dataset.presets);

let seed = 1;
let chosen = 0; // which window is shown, in row-major order

// The same numbers for the same seed, from 0 to 99.
function numbers(rows, columns) {
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
  for (const name of ["size", "pool_size", "strides", "dilation_rate"]) {
    field(`${name}_rows`).value = preset[name][0];
    field(`${name}_columns`).value = preset[name][1];
  }
  const named = typeof preset.padding === "string";
  field("padding").value = named ? preset.padding : "explicit";
  if (!named) {
    preset.padding.flat().forEach((pad, side) => {
      field(["top", "bottom", "left", "right"][side]).value = pad;
    });
  }
  field("ceil_mode").checked = preset.ceil_mode;
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

function inputCells(settings, result, at) {
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
  return Array.from({ length: top + height + bottom }, (_, row) =>
    Array.from({ length: left + width + right }, (_, column) => {
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
      return { text: settings.values[y][x], kind: kinds.join(" ") };
    }),
  );
}

function draw() {
  const said = panel.querySelector("output");
  const [input, output] = panel.querySelectorAll("svg");
  let settings, result;
  try {
    settings = settingsFromFields();
    result = pool(settings);
  } catch (error) {
    said.textContent = `Not possible: ${error.message}.`;
    panel.classList.add("wrong");
    return;
  }
  panel.classList.remove("wrong");
  const [rows, columns] = result.shape;
  const count = rows * columns;
  chosen = Math.min(chosen, count - 1);
  const at = [Math.floor(chosen / columns), chosen % columns];
  const slider = field("window");
  slider.max = count - 1;
  slider.value = chosen;
  const [[top, bottom], [left, right]] = result.pads;
  said.textContent =
    `${settings.values.length} x ${settings.values[0].length} becomes ${rows} x ${columns}. ` +
    `Padding: ${top} above, ${bottom} below, ${left} left, ${right} right. ` +
    `Window ${chosen + 1} of ${count} gives ${result.values[at[0]][at[1]] ?? "padding"}.`;
  drawGrid(input, inputCells(settings, result, at));
  const cells = result.values.map((values, y) =>
    values.map((value, x) => ({
      text: value ?? "",
      kind: y * columns + x === chosen ? "read window here" : "read",
    })),
  );
  drawGrid(output, cells, (window) => {
    if (window !== chosen) {
      chosen = window;
      draw();
    }
  });
}

const choice = field("preset");
for (const preset of presets) choice.append(new Option(preset.name));
choice.addEventListener("change", () => {
  chosen = 0;
  fill(presets[choice.selectedIndex]);
  draw();
});
field("window").addEventListener("input", () => {
  chosen = whole("window");
  draw();
});
field("new_values").addEventListener("click", () => {
  seed += 1;
  draw();
});
panel.addEventListener("input", (event) => {
  if (event.target.closest(".settings")) draw();
});
fill(presets[0]);
draw();

window.keras_maxpool = { pool };
