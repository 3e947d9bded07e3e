"""Which Keras is used: Keras 3, or Keras 2 behind TF_USE_LEGACY_KERAS. Imported before everything else.

With `TF_USE_LEGACY_KERAS=1`, where TensorFlow uses Keras 2 as `tf.keras`, the layers are Keras 2 layers, with the
same names, options and files: `pip install '.[legacy]'` in a checkout. `model.save(folder)` works too. Keras 2 reads
no files of Keras 3, its `TimeDistributed` propagates no mask where it knows the batch size, and the tools
(`keras-maxpool`, `keras_maxpool.tools`) need Keras 3.

TensorFlow Model Optimization works on Keras 2. Its pruning accepts the layers as they are. Its quantization-aware
training accepts the built-in ones alone, so clone the model with those, where they have the options:

    def builtin(layer):
        # With padding="valid" or "same", and none of our own options.
        if isinstance(layer, keras_maxpool.MaxPooling2D):
            names = ("pool_size", "strides", "padding", "data_format", "name")
            return tf.keras.layers.MaxPooling2D(**{name: getattr(layer, name) for name in names})
        return type(layer).from_config(layer.get_config())

    clone = tf.keras.models.clone_model(model, clone_function=builtin)
    clone.set_weights(model.get_weights())
    quantized = tfmot.quantization.keras.quantize_model(clone)

Layers with our own options need a `tfmot.quantization.keras.QuantizeConfig` each, with empty lists, in
`tfmot.quantization.keras.quantize_annotate_layer`.
"""

import os

REFUSAL = (
    "keras_maxpool needs Keras on TensorFlow, JAX or PyTorch; this Keras is set to run on {}. Set the environment "
    "variable KERAS_BACKEND to tensorflow, jax or torch before Keras is first imported, or the backend in keras.json."
)
NOT_INSTALLED = (
    "KERAS_BACKEND={0} asks for {1}, which is not installed. Install it with pip install {0}, or set "
    "KERAS_BACKEND=tensorflow."
)
# TensorFlow compares with the same strings when it chooses `tf.keras`.
LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")

if LEGACY:
    from keras_maxpool.compat import keras_2 as keras
else:
    try:
        import keras  # type: ignore[no-redef]
    except ImportError:
        # Importing Keras fails where its backend is not installed.
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        names = {"jax": "JAX", "torch": "PyTorch"}
        if name not in names:
            raise
        raise ImportError(NOT_INSTALLED.format(name, names[name])) from None

__all__ = ["LEGACY", "REFUSAL", "keras"]
