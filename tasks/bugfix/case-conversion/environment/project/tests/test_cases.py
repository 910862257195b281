import unittest

from cases import camel, constant, convert_keys, kebab, pascal, snake, words


class CasesTest(unittest.TestCase):
    def test_from_camel(self):
        self.assertEqual(snake("maxRetryCount"), "max_retry_count")

    def test_to_camel_and_pascal(self):
        self.assertEqual(camel("max_retry_count"), "maxRetryCount")
        self.assertEqual(pascal("max-retry-count"), "MaxRetryCount")

    def test_constant(self):
        self.assertEqual(constant("maxRetries"), "MAX_RETRIES")
        self.assertEqual(words("MAX_RETRIES"), ["max", "retries"])

    def test_acronyms(self):
        self.assertEqual(snake("HTTPServer"), "http_server")
        self.assertEqual(kebab("parseXMLFile"), "parse-xml-file")

    def test_digits(self):
        self.assertEqual(kebab("file2name"), "file-2-name")
        self.assertEqual(words("sha256Sum"), ["sha", "256", "sum"])

    def test_convert_keys(self):
        self.assertEqual(convert_keys({"someKey": [{"aB": 1}]}, snake), {"some_key": [{"a_b": 1}]})
