"""Kafka's login modules under the names that Kafka documents, for the connector that carries them under other names.

`flink-sql-connector-kafka` moves Kafka's classes below `org.apache.flink.kafka.shaded`, so a `sasl.jaas.config` as every manual
has it finds no class. Each class of this jar has the documented name and is otherwise the connector's own.

python -m cli.stack.login_modules FILE.jar
"""

import struct
import sys
import zipfile
from pathlib import Path

SHADED = "org/apache/flink/kafka/shaded/"
MODULES = (
    "org/apache/kafka/common/security/plain/PlainLoginModule",
    "org/apache/kafka/common/security/scram/ScramLoginModule",
    "org/apache/kafka/common/security/oauthbearer/OAuthBearerLoginModule",
)
JAR_NAME = "heliotrope-kafka-login-modules.jar"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
JAVA_8 = 52
"""The form of class files that every Java since reads."""
PUBLIC, SUPER = 0x0001, 0x0020
CALL_SUPER = bytes((0x2A, 0xB7, 0x00, 0x08, 0xB1))
"""aload_0, invokespecial #8, return."""


def write_login_modules(path: Path) -> Path:
    """Write the jar and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar:
        for name in MODULES:
            jar.writestr(zipfile.ZipInfo(f"{name}.class", ZIP_TIME), subclass(name, SHADED + name))
    return path


def subclass(name: str, parent: str) -> bytes:
    """Return a class file: `public class name extends parent` with nothing in it but its constructor (JVM specification, chapter
    4)."""
    constants = (
        _reference(7, 2),  # 1: this class
        _utf8(name),
        _reference(7, 4),  # 3: its parent
        _utf8(parent),
        _utf8("<init>"),  # 5
        _utf8("()V"),
        _utf8("Code"),  # 7
        _reference(10, 3, 9),  # 8: the parent's constructor
        _reference(12, 5, 6),
    )
    body = struct.pack(">HHI", 1, 1, len(CALL_SUPER)) + CALL_SUPER + struct.pack(">HH", 0, 0)
    constructor = struct.pack(">HHHH", PUBLIC, 5, 6, 1) + struct.pack(">HI", 7, len(body)) + body
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, JAVA_8, len(constants) + 1) + b"".join(constants)
    return head + struct.pack(">HHHHHH", PUBLIC | SUPER, 1, 3, 0, 0, 1) + constructor + struct.pack(">H", 0)


def _utf8(text: str) -> bytes:
    return struct.pack(">BH", 1, len(text)) + text.encode("ascii")


def _reference(tag: int, *indexes: int) -> bytes:
    return struct.pack(f">B{len(indexes)}H", tag, *indexes)


if __name__ == "__main__":
    write_login_modules(Path(sys.argv[1]))
