"""One folder per page; `dashapp/router.py` lists what each exports, `dashapp/app.py` lists the pages."""
