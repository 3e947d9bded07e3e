"""A mask whose sizes are known late goes to LiteRT with built-in operations alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_maxpool


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_a_mask_of_unknown_length() -> None:
    inputs = keras.Input((None,), dtype="int32", batch_size=1)
    x = keras.layers.Embedding(9, 1, mask_zero=True)(inputs)
    pools = [keras_maxpool.MaxPool1D(2), keras_maxpool.GlobalMaxPool1D()]
    model = keras.Model(inputs, [pool(x) for pool in pools])
    model.set_weights([-np.arange(9.0)[:, None]])
    interpreter = tf.lite.Interpreter(
        model_content=tf.lite.TFLiteConverter.from_keras_model(model).convert()
    )
    [given], results = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], (1, 6))
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], np.array([[3, 5, 0, 0, 0, 2]], "int32"))
    interpreter.invoke()
    values = [interpreter.get_tensor(result["index"]).ravel().tolist() for result in results]
    assert sorted(values, key=len) == [[-2], [-3, 0, -2]]
