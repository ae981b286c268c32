"""Signatures of images: key files, the signed payload, where it is stored, how it is judged.

verify.py   decides, without files; payload.py is what is signed
storage.py  signatures in an image layout, cosign's formats
sign.py     both together: `sign_image`, `verify_image`
keys.py     key pairs and their files; encrypted_key.py, secretbox.py, salsa20.py their encryption
"""

from __future__ import annotations

from builder.signing.keys import PrivateKey, PublicKey, load_private_key, load_public_key
from builder.signing.sign import Signed, sign_image, verify_image
from builder.signing.storage import copy_signatures
from builder.signing.verify import Verified

__all__ = [
    "PrivateKey",
    "PublicKey",
    "Signed",
    "Verified",
    "copy_signatures",
    "load_private_key",
    "load_public_key",
    "sign_image",
    "verify_image",
]
