"""One folder a page; `dashapp/router.py` says what each exports, `dashapp/app.py` lists them."""
