"""Keys in the hands of OpenSSL's libcrypto, by ctypes: all that it knows, in this process.

For the kinds of key that the `cryptography` package does not load: SM2, and ML-KEM-512 where the
library is 3.5 or later. Everything it refuses is an `OpenSslError` with its own words; every object
is freed at the end of a `with`.
"""

import ctypes
import functools
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p

DEFAULT = "libcrypto.so.3"
# SM2 signs the hash of its signer's name and the message; GB/T 32918.2 gives this one for tests.
SM2_SIGNER = b"1234567812345678"

# Of each function: what it returns, and what it takes. What returns a pointer must not return none,
# and what returns a status must return 1.
POINTER_OR_ERROR, STATUS = "pointer", "status"
BYTES_OUT = (c_char_p, POINTER(c_size_t))
PROTOTYPES = {
    "OpenSSL_version_num": (c_ulong, []),
    "ERR_get_error": (c_ulong, []),
    "ERR_error_string_n": (None, [c_ulong, c_char_p, c_size_t]),
    "d2i_AutoPrivateKey": (POINTER_OR_ERROR, [c_void_p, POINTER(c_void_p), c_long]),
    "d2i_PUBKEY": (POINTER_OR_ERROR, [c_void_p, POINTER(c_void_p), c_long]),
    "i2d_PUBKEY": (c_int, [c_void_p, POINTER(c_void_p)]),
    "EVP_PKEY_free": (None, [c_void_p]),
    "EVP_PKEY_CTX_new_from_pkey": (POINTER_OR_ERROR, [c_void_p, c_void_p, c_char_p]),
    "EVP_PKEY_CTX_set1_id": (STATUS, [c_void_p, c_char_p, c_int]),
    "EVP_PKEY_CTX_free": (None, [c_void_p]),
    "EVP_PKEY_check": (STATUS, [c_void_p]),
    "EVP_MD_CTX_new": (POINTER_OR_ERROR, []),
    "EVP_MD_CTX_set_pkey_ctx": (None, [c_void_p, c_void_p]),
    "EVP_MD_CTX_free": (None, [c_void_p]),
    "EVP_DigestSignInit_ex": (STATUS, [c_void_p, c_void_p, c_char_p, c_void_p, c_char_p, c_void_p,
                                       c_void_p]),
    "EVP_DigestSign": (STATUS, [c_void_p, *BYTES_OUT, c_char_p, c_size_t]),
    "EVP_DigestVerifyInit_ex": (STATUS, [c_void_p, c_void_p, c_char_p, c_void_p, c_char_p,
                                         c_void_p, c_void_p]),
    "EVP_DigestVerify": (STATUS, [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t]),
    "EVP_PKEY_encapsulate_init": (STATUS, [c_void_p, c_void_p]),
    "EVP_PKEY_encapsulate": (STATUS, [c_void_p, *BYTES_OUT, *BYTES_OUT]),
    "EVP_PKEY_decapsulate_init": (STATUS, [c_void_p, c_void_p]),
    "EVP_PKEY_decapsulate": (STATUS, [c_void_p, *BYTES_OUT, c_char_p, c_size_t]),
}


class OpenSslError(ValueError):
    """What libcrypto refused, and why."""


class Library:
    """A loaded libcrypto. Raises `OSError` where there is none of this name, or too old a one."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        for name, (returned, taken) in PROTOTYPES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise OSError(f"{path} is older than OpenSSL 3.0: it lacks {name}") from None
            function.argtypes = taken
            if returned in (POINTER_OR_ERROR, STATUS):
                function.restype = c_void_p if returned == POINTER_OR_ERROR else c_int
                function.errcheck = self.refuse
            else:
                function.restype = returned
            setattr(self, name, function)
        number = self.OpenSSL_version_num()
        self.version = (number >> 28, number >> 20 & 0xFF)

    def refuse(self, result, function, _):
        """Raises what `function` left on the queue of errors if it did not succeed."""
        pointer = function.restype is c_void_p
        succeeded = result is not None if pointer else result == 1
        reasons = self.errors()
        if not succeeded:
            raise OpenSslError(f"{function.__name__}: {'; '.join(reasons) or 'no reason given'}")
        return result

    def errors(self):
        """The queue of errors, which is empty then."""
        texts = []
        while code := self.ERR_get_error():
            text = ctypes.create_string_buffer(256)
            self.ERR_error_string_n(code, text, len(text))
            texts.append(text.value.decode(errors="replace"))
        return texts

    @contextmanager
    def private_key(self, pkcs8):
        """A private key from its PKCS#8."""
        with self.key(self.d2i_AutoPrivateKey, pkcs8) as key:
            yield key

    @contextmanager
    def public_key(self, spki):
        """A public key from its SubjectPublicKeyInfo."""
        with self.key(self.d2i_PUBKEY, spki) as key:
            yield key

    @contextmanager
    def key(self, decode, der):
        held = ctypes.create_string_buffer(der, len(der))
        end = c_void_p(ctypes.addressof(held))
        pointer = decode(None, byref(end), len(der))
        try:
            if end.value - ctypes.addressof(held) != len(der):
                raise OpenSslError(f"{decode.__name__}: bytes are left over")
            yield Key(self, pointer)
        finally:
            self.EVP_PKEY_free(pointer)
            ctypes.memset(held, 0, len(der))


class Key:
    """A key that `Library` holds open."""

    def __init__(self, library, pointer):
        self.library, self.pointer = library, pointer

    @contextmanager
    def context(self):
        """What operations on the key take."""
        context = self.library.EVP_PKEY_CTX_new_from_pkey(None, self.pointer, None)
        try:
            yield context
        finally:
            self.library.EVP_PKEY_CTX_free(context)

    def check(self):
        """Refuses a private key that is none of its public key, which is held beside it."""
        with self.context() as context:
            self.library.EVP_PKEY_check(context)

    def spki(self):
        """Its public half."""
        length = self.library.i2d_PUBKEY(self.pointer, None)
        if length <= 0:
            raise OpenSslError("i2d_PUBKEY: " + "; ".join(self.library.errors()))
        out = ctypes.create_string_buffer(length)
        self.library.i2d_PUBKEY(self.pointer, byref(c_void_p(ctypes.addressof(out))))
        return out.raw

    @contextmanager
    def digest_context(self):
        """What signing and verifying with SM3 take."""
        library = self.library
        with self.context() as context:
            library.EVP_PKEY_CTX_set1_id(context, SM2_SIGNER, len(SM2_SIGNER))
            digest = library.EVP_MD_CTX_new()
            try:
                library.EVP_MD_CTX_set_pkey_ctx(digest, context)
                yield digest
            finally:
                library.EVP_MD_CTX_free(digest)

    def sign_sm3(self, message):
        """A signature of SM2 over `message`."""
        library = self.library
        with self.digest_context() as context:
            library.EVP_DigestSignInit_ex(context, None, b"SM3", None, None, self.pointer, None)
            return output(library.EVP_DigestSign, context, message, len(message))

    def verify_sm3(self, signature, message):
        """Refuses a signature that is not of this key and `message`."""
        library = self.library
        with self.digest_context() as context:
            library.EVP_DigestVerifyInit_ex(context, None, b"SM3", None, None, self.pointer, None)
            library.EVP_DigestVerify(context, signature, len(signature), message, len(message))

    def encapsulate(self):
        """A shared secret, and its ciphertext for the holder of the private key."""
        library = self.library
        with self.context() as context:
            library.EVP_PKEY_encapsulate_init(context, None)
            lengths = c_size_t(), c_size_t()
            library.EVP_PKEY_encapsulate(context, None, lengths[0], None, lengths[1])
            ciphertext, secret = (ctypes.create_string_buffer(n.value) for n in lengths)
            library.EVP_PKEY_encapsulate(context, ciphertext, lengths[0], secret, lengths[1])
            return secret.raw, ciphertext.raw

    def decapsulate(self, ciphertext):
        """The shared secret that was encapsulated."""
        library = self.library
        with self.context() as context:
            library.EVP_PKEY_decapsulate_init(context, None)
            return output(library.EVP_PKEY_decapsulate, context, ciphertext, len(ciphertext))


def output(function, context, *rest):
    """The bytes that `function` writes: it is asked for their number first."""
    length = c_size_t()
    function(context, None, byref(length), *rest)
    out = ctypes.create_string_buffer(length.value)
    function(context, out, byref(length), *rest)
    return out.raw[:length.value]


@functools.cache
def load(path=DEFAULT):
    """The library at `path`, loaded once; `OSError` without it."""
    return Library(path)
