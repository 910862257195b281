"""A stored run as pages: values to show, charts, and the templates of the report and of the page in the browser."""
