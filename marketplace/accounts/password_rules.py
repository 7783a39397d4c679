"""Django's rules for passwords, which say what to do when they refuse one."""

from django.contrib.auth import password_validation

OTHER_WORDS = "Take another one, such as four words that have nothing to do with each other."


class UnlikeTheAddress(password_validation.UserAttributeSimilarityValidator):
    def get_error_message(self) -> str:
        return f"The password is too much like your address or name. {OTHER_WORDS}"


class LongEnough(password_validation.MinimumLengthValidator):
    def get_error_message(self) -> str:
        return f"Make the password longer: it needs at least {self.min_length} characters."


class Uncommon(password_validation.CommonPasswordValidator):
    def get_error_message(self) -> str:
        return f"Many people use this password, so it is among the first that are tried. {OTHER_WORDS}"


class NotOnlyDigits(password_validation.NumericPasswordValidator):
    def get_error_message(self) -> str:
        return "Use more than digits: add some letters."
