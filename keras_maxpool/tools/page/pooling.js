"use strict";
// Max pooling of one 2D channel, by the rules of keras_maxpool.MaxPooling2D.

// One axis: {size, pool, stride, dilation, padding, ceil}; gives {before, after, outputs, over}: the
// padding, how many windows there are, and by how much the last one hangs over the padding.
function axisGeometry(axis) {
  for (const name of ["size", "pool", "stride", "dilation"]) {
    if (!Number.isInteger(axis[name]) || axis[name] < 1) {
      throw new Error(`${name} must be an integer from 1 up`);
    }
  }
  const { size, pool, stride, dilation } = axis;
  const length = (pool - 1) * dilation + 1;
  if (axis.padding === "same" || axis.padding === "same_lower") {
    if (axis.ceil) throw new Error(`ceil_mode needs "valid" or explicit padding`);
    const outputs = Math.ceil(size / stride);
    const surplus = Math.max((outputs - 1) * stride + length - size, 0);
    const small = Math.floor(surplus / 2);
    const before = axis.padding === "same" ? small : surplus - small;
    return { before, after: surplus - before, outputs, over: 0 };
  }
  const [before, end] = axis.padding === "valid" ? [0, 0] : axis.padding;
  if (![before, end].every((pad) => Number.isInteger(pad) && pad >= 0)) {
    throw new Error("padding must be integers from 0 up");
  }
  if (Math.max(before, end) >= length) {
    throw new Error(`padding must be smaller than the window, which spans ${length}`);
  }
  const room = size + before + end - length;
  if (room < 0 && !axis.ceil) {
    throw new Error(`the window spans ${length} and is larger than its input`);
  }
  let outputs = Math.floor(room / stride) + 1;
  if (axis.ceil) {
    // A last window may hang over the end, but not start in the padding after it.
    outputs = Math.min(Math.ceil(room / stride) + 1, Math.ceil((size + before) / stride));
  }
  if (outputs < 1) throw new Error(`the window spans ${length} and is larger than its input`);
  const over = Math.max((outputs - 1) * stride + length - size - before - end, 0);
  return { before, after: end, outputs, over };
}

// settings: {values: rows of numbers, pool_size, strides, dilation_rate: [rows, columns],
//   padding: "valid", "same", "same_lower" or [[top, bottom], [left, right]], ceil_mode}.
// Gives {shape, values, indices, pads, over, gradient}: the output's shape, its maxima, and where each was found, as
// row * columns + column; null and -1 for a window of padding alone. `over` is by how many rows and
// columns the last windows hang over the padding. `gradient` is the input's, for an output's gradient of 1 everywhere.
function pool(settings) {
  const { values } = settings;
  const sizes = [values.length, values[0].length];
  const axes = [0, 1].map((axis) =>
    axisGeometry({
      size: sizes[axis],
      pool: settings.pool_size[axis],
      stride: settings.strides[axis],
      dilation: settings.dilation_rate[axis],
      padding: typeof settings.padding === "string" ? settings.padding : settings.padding[axis],
      ceil: Boolean(settings.ceil_mode),
    }),
  );
  const shape = axes.map((axis) => axis.outputs);
  const gradient = values.map((row) => row.map(() => 0));
  const maxima = [];
  const indices = [];
  for (let row = 0; row < shape[0]; row++) {
    maxima.push([]);
    indices.push([]);
    for (let column = 0; column < shape[1]; column++) {
      let best = -1;
      for (const [y, x] of elements(settings, axes, row, column)) {
        const index = y * sizes[1] + x;
        // The first of equals wins.
        if (best < 0 || values[y][x] > values[Math.floor(best / sizes[1])][best % sizes[1]]) {
          best = index;
        }
      }
      const [y, x] = [Math.floor(best / sizes[1]), best % sizes[1]];
      indices[row].push(best);
      maxima[row].push(best < 0 ? null : values[y][x]);
      if (best >= 0) gradient[y][x] += 1;
    }
  }
  const pads = axes.map(({ before, after }) => [before, after]);
  const over = axes.map((axis) => axis.over);
  return { shape, values: maxima, indices, pads, over, gradient };
}

// The [row, column] of each input element in one window, in row-major order, without padding.
function elements(settings, axes, row, column) {
  const { values, pool_size, strides, dilation_rate } = settings;
  const found = [];
  for (let i = 0; i < pool_size[0]; i++) {
    for (let j = 0; j < pool_size[1]; j++) {
      const y = row * strides[0] - axes[0].before + i * dilation_rate[0];
      const x = column * strides[1] - axes[1].before + j * dilation_rate[1];
      if (y >= 0 && y < values.length && x >= 0 && x < values[0].length) found.push([y, x]);
    }
  }
  return found;
}
