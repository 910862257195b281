import unittest

from cases import camel, constant, convert_keys, kebab, pascal, snake, words


class CasesHiddenTest(unittest.TestCase):
    def test_acronym_first(self):
        self.assertEqual(words("XMLParser"), ["xml", "parser"])
        self.assertEqual(words("IOError"), ["io", "error"])

    def test_acronym_in_the_middle(self):
        self.assertEqual(words("getURLPath"), ["get", "url", "path"])

    def test_acronym_last(self):
        self.assertEqual(words("userID"), ["user", "id"])
        self.assertEqual(words("toJSON"), ["to", "json"])

    def test_single_capital_word(self):
        self.assertEqual(words("makeAList"), ["make", "a", "list"])
        self.assertEqual(words("AList"), ["a", "list"])
        self.assertEqual(words("planB"), ["plan", "b"])

    def test_several_acronyms(self):
        self.assertEqual(words("HTTPToFTPBridge"), ["http", "to", "ftp", "bridge"])
        self.assertEqual(words("useSSL_TLSConfig"), ["use", "ssl", "tls", "config"])

    def test_acronym_with_digits(self):
        self.assertEqual(words("SHA256Sum"), ["sha", "256", "sum"])
        self.assertEqual(words("utf8BOMSize"), ["utf", "8", "bom", "size"])

    def test_acronyms_through_converters(self):
        self.assertEqual(snake("DBConnection"), "db_connection")
        self.assertEqual(kebab("DBConnection"), "db-connection")
        self.assertEqual(constant("newDBConnection"), "NEW_DB_CONNECTION")
        self.assertEqual(camel("DBConnection"), "dbConnection")
        self.assertEqual(pascal("loadCSVFile"), "LoadCsvFile")

    def test_all_capitals(self):
        self.assertEqual(words("HTTP"), ["http"])
        self.assertEqual(camel("HTTP_STATUS_CODE"), "httpStatusCode")

    def test_simple_names(self):
        self.assertEqual(snake("Person"), "person")
        self.assertEqual(snake("firstName"), "first_name")
        self.assertEqual(pascal("first_name"), "FirstName")
        self.assertEqual(pascal("x"), "X")

    def test_separators(self):
        self.assertEqual(words("__a--b.c d/"), ["a", "b", "c", "d"])

    def test_empty(self):
        self.assertEqual(words(""), [])
        self.assertEqual([f("_") for f in (snake, kebab, camel, pascal, constant)], [""] * 5)

    def test_round_trip(self):
        for name in ("one", "one_two", "one_two_three", "v_2_beta"):
            self.assertEqual(snake(camel(name)), name)
            self.assertEqual(snake(pascal(name)), name)
            self.assertEqual(snake(constant(name)), name)

    def test_convert_keys(self):
        data = {"userID": 1, "homePage": {"pageURLList": ["aB"]}, "rows": [{"aB": None}, 2]}
        self.assertEqual(
            convert_keys(data, snake),
            {"user_id": 1, "home_page": {"page_url_list": ["aB"]}, "rows": [{"a_b": None}, 2]},
        )
        self.assertEqual(convert_keys("aB", snake), "aB")
