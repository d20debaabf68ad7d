"""The forms in which people have data sets, one file each; `model.data.formats.register` lists them."""
