"""Secrets: encrypted in the store, or taken from the environment; looked up when they are used."""

from __future__ import annotations

import os
import secrets as randomness
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from engine.runtime.reader import SecretRef
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import ConfigError
from engine.store.changes import PutSecret
from engine.store.interface import Store

#: environment variable with the key: 32 random bytes in URL-safe base64. Several are separated by commas: the first
#: encrypts, all decrypt
KEY_VARIABLE = "ENGINE_SECRET_KEY"
#: seconds for which a value is used without asking the store again, where one is wanted for each event or request
REMEMBER = 1.0
_NEW_KEY = "a key is 32 random bytes in URL-safe base64, such as `openssl rand -base64 32 | tr '+/' '-_'` prints"


class KeyRing:
    """Where the key of the encrypted store comes from: the environment, else ``secret.key`` in the data folder.

    :param environment: the process's environment variables.
    """

    def __init__(self, data: Path, environment: Mapping[str, str]) -> None:
        self._file = data / "secret.key"
        self._given = environment.get(KEY_VARIABLE, "").strip()

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._file.parent

    def existing(self) -> MultiFernet | None:
        """The keys, or None when none was made yet. Raises ``ConfigError``."""
        if self._given:
            return _keys(self._given.split(","), f"environment variable {KEY_VARIABLE}")
        try:
            mode = self._file.stat().st_mode
            text = self._file.read_text("ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the key of the secrets cannot be read: {error}", place=str(self._file)) from None
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(
                "others on this machine may read the key of the secrets",
                place=str(self._file),
                hint=f"chmod 600 {self._file}",
            )
        return _keys(text.split(), str(self._file))

    def make(self) -> MultiFernet:
        """The keys; makes the file, readable by its owner only, where there is none. Raises ``ConfigError``."""
        return self.existing() or self._create()

    def _create(self) -> MultiFernet:
        draft = self._file.with_name(f"secret.key.{randomness.token_hex(8)}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # durable before anything is encrypted with it, and in one step: of two processes one wins
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self._file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            _sync_folder(self._file.parent)
        except OSError as error:
            raise ConfigError(f"the key of the secrets cannot be written: {error}", place=str(self._file)) from None
        made = self.existing()
        assert made is not None
        return made


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keys(texts: Sequence[str], source: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(text.strip()) for text in texts])
    except ValueError:
        raise ConfigError("this is no key for secrets", place=source, hint=_NEW_KEY) from None


class SecretBox:
    """The encrypted values of the store.

    The name is encrypted along with the value, so that a row which was put under another name is noticed.
    """

    def __init__(self, store: Store, keys: KeyRing, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._read: dict[str, tuple[float, str]] = {}
        self._changes = 0

    @property
    def folder(self) -> Path:
        """The data folder of the store."""
        return self._keys.folder

    def known(self, name: str) -> str | None:
        """A secret's value as it was read a moment ago (``REMEMBER``); None: it must be read."""
        at, value = self._read.get(name, (0.0, None))
        return value if 0 <= self._clock.time() - at < REMEMBER else None

    async def get(self, name: str) -> str:
        """A secret's value. Raises ``ConfigError``: there is none, or the key is another one."""
        at, changes = self._clock.time(), self._changes
        encrypted = (await self._store.secrets()).get(name)
        if encrypted is None:
            raise ConfigError(f"the store has no secret '{name}'", hint="`engine connections add NAME` stores it")
        value = self._decrypt(name, encrypted)
        if changes == self._changes:
            # else it was renewed while it was read, and this may be the old one
            self._read[name] = (at, value)
        return value

    async def find(self, name: str) -> str | None:
        """A secret's value; None: there is none. Raises ``ConfigError``: the key is another one."""
        return await self.get(name) if name in await self._store.secrets() else None

    async def names(self) -> list[str]:
        """The names of all secrets, sorted."""
        return sorted(await self._store.secrets())

    async def values(self) -> list[str]:
        """All values, for a ``Redactor``; none where the key is absent or another one."""
        try:
            return [self._decrypt(name, encrypted) for name, encrypted in (await self._store.secrets()).items()]
        except ConfigError:
            return []

    async def put(self, name: str, value: str) -> None:
        """Keep a secret, durably; one of that name is replaced. Raises ``ConfigError``, ``StoreError``."""
        known = await self._store.secrets()
        keys = self._keys.make() if not known else self._existing()
        for other, encrypted in known.items():
            # one store, one key: a secret under a second key could never be read together with the first
            self._decrypt(other, encrypted)
            break
        await self._store.put(PutSecret(name, keys.encrypt(jsontext.dumps([name, value])), self._clock.time()))
        self._forget(name)

    async def remove(self, name: str) -> bool:
        """Forget a secret, durably; False when there was none."""
        if name not in await self._store.secrets():
            return False
        await self._store.put(PutSecret(name, None, self._clock.time()))
        self._forget(name)
        return True

    def _forget(self, name: str) -> None:
        self._changes += 1
        self._read.pop(name, None)

    def _existing(self) -> MultiFernet:
        keys = self._keys.existing()
        if keys is None:
            raise ConfigError(
                "the store holds secrets, and their key is missing",
                hint=f"set {KEY_VARIABLE}, or put the file secret.key back into the data folder",
            )
        return keys

    def _decrypt(self, name: str, encrypted: bytes) -> str:
        keys = self._existing()
        try:
            inner = jsontext.loads(keys.decrypt(encrypted))
        except InvalidToken:
            raise ConfigError(
                f"the secret '{name}' was encrypted with another key",
                hint=f"use the key with which it was stored ({KEY_VARIABLE} or secret.key in the data folder), "
                "or store the secret again: `engine connections remove`, then `engine connections add`",
            ) from None
        if inner[0] != name:
            raise ConfigError(f"the value under '{name}' belongs to the secret '{inner[0]}'", hint="store it again")
        value: str = inner[1]
        return value


class Secrets:
    """Looks up what a ``SecretRef`` names, when it is needed.

    :param environment: the process's environment variables.
    :param box: the encrypted store; None where there is none.
    """

    def __init__(self, environment: Mapping[str, str], box: SecretBox | None = None) -> None:
        self._environment = environment
        self._box = box

    @property
    def box(self) -> SecretBox | None:
        """The encrypted store, where there is one."""
        return self._box

    def environment(self, name: str) -> str:
        """An environment variable. Raises ``ConfigError``: it is not set, or empty."""
        value = self._environment.get(name, "")
        if not value:
            raise ConfigError(f"environment variable {name} is not set", hint=f"set {name} and start again")
        return value

    def known(self, reference: SecretRef) -> str | None:
        """The value that a reference names, where it need not be read from the store; None: it must be resolved."""
        if reference.kind == "env":
            return self._environment.get(reference.name) or None
        return self._box.known(reference.name) if self._box is not None else None

    async def resolve(self, reference: SecretRef) -> str:
        """The value that a reference names. Raises ``ConfigError``."""
        if reference.kind == "env":
            return self.environment(reference.name)
        if self._box is None:
            raise ConfigError(f"there is no store to take the secret '{reference.name}' from")
        return await self._box.get(reference.name)
