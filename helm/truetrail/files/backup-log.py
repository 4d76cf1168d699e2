#!/usr/bin/python3
"""The log of what is in the bucket of backups; docs/backup-and-restore.md, "The log".

  backup-log list                     prints the entries, a line of JSON each, in the order of names
  backup-log check [--sample N | --all]
                                      compares bucket and log, and reads back N segments by chance (20), or everything;
                                      prints a line for each fault
  backup-log bases                    reads back base backups that are whole and not in the log yet, and logs them
  backup-log end                      hides the entries of what is over
  backup-log segment FILE COMMAND...  logs the digest of a file of WAL, brings it to the store by COMMAND, logs that it is there
  backup-log follow [--wals | --check] [--settle SECONDS]
                                      where somebody else archives, such as CloudNativePG: reads back what came to the store and
                                      is not in the log yet, WAL and base backups, and logs it; prints a line for each fault.
                                      WAL alone with --wals; then as `end` and `check` do with --check. Nothing is missing or
                                      hidden before it has been so for SECONDS (300)

Reads what settings.sh exports, and is started by the scripts beside it. Ends with 1 for faults, and with 2 when it could
not do its work. Needs boto3, as barman-cloud does.
"""
import hashlib
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ENCRYPTION = os.environ.get("BACKUP_ENCRYPTION") or "AES256"
FORMAT = "truetrail-backup-log/1"
SEGMENT = re.compile(r"^[0-9A-F]{24}$")
# Of barman: 00000001000000000000000A, its .partial or .00000028.backup, and 00000002.history
WAL_KEY = re.compile(r"^wals/(?:[0-9A-F]{16}/)?([0-9A-F]{8}(?:[0-9A-F]{16}(?:\.partial|\.[0-9A-F]{8}\.backup)?|\.history))\.gz$")
# What barman adds to the name of a file by the compression that it was told.
UNREAD_SUFFIX = re.compile(WAL_KEY.pattern.replace(r"\.gz$", r"(|\.[a-z0-9]+)$"))
BASE_KEY = re.compile(r"^base/([^/]+)/[^/]+$")
DIGEST_KEY = re.compile(r"^log/wals/([^/]+)\.json$")
CHUNK_BYTES = 1 << 20
# A base backup that is not in the log by then was not read back by the next one either.
UNLOGGED = timedelta(days=1)
# The store's clock and ours, and times of whole seconds.
CLOCKS = timedelta(minutes=1)
# Of an entry whose digest was taken from what was in the store, not from the server's own file before its upload.
FROM_STORE = "store"
# Where others archive: several files are uploaded at once, and those of a base backup hidden one after the other.
SETTLE = timedelta(minutes=5)
# `follow` comes every so often, and may be held up.
FOLLOWED = timedelta(hours=1)
# A first look reads back all that there is.
READERS = 4
# Of one file: more of them were put there by nobody who archives.
VERSIONS_READ = 8
# PostgreSQL, access/xlog_internal.h: magic, flags, timeline, address of the page, rest of a record; then, on the first page of
# a file, the server's system identifier, and the sizes of file and page.
PAGE_HEADER = struct.Struct("<HHIQI4xQII")
LONG_HEADER = 0x0002
# The longest file of WAL that initdb --wal-segsize makes.
WAL_BYTES = 1 << 30

stopping = threading.Event()


class Stopped(Exception):
    """Somebody asked this program to end."""


def now():
    return datetime.now(timezone.utc)


def text_of(time):
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(text):
    """Of ours, and of barman, which may leave out that it is UTC."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


class Store:
    """The part of the bucket that is of one server. Keys are those below it."""

    def __init__(self, url):
        match = re.match(r"^s3://([^/]+)/(.+)$", url)
        if not match:
            sys.exit("BACKUP_URL is not of the form s3://bucket/prefix/server")
        self.bucket, path = match.groups()
        self.prefix = path.strip("/") + "/"
        self.client = boto3.client(
            "s3",
            endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3") or None,
            config=Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 4, "mode": "standard"}),
        )

    def at(self, key, version=None):
        return {"Bucket": self.bucket, "Key": self.prefix + key, **({"VersionId": version} if version else {})}

    def head(self, key, version=None):
        """None where there is no such object or version, or what is there is a delete marker."""
        try:
            return self.client.head_object(**self.at(key, version))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 405):
                return None
            raise

    def open(self, key, version=None):
        return self.client.get_object(**self.at(key, version))["Body"]

    def put(self, key, document):
        body = (json.dumps({"format": FORMAT, **document}, indent=1) + "\n").encode()
        encrypted = {"ServerSideEncryption": ENCRYPTION} if ENCRYPTION != "off" else {}
        self.client.put_object(**self.at(key), Body=body, ContentType="application/json", **encrypted)

    def hide(self, key):
        """A delete marker: what is under it stays as long as it is locked."""
        self.client.delete_object(**self.at(key))

    def versions(self, prefix=""):
        """By key: its Versions."""
        return dict(self.listed(prefix))

    def listed(self, prefix=""):
        """Each key with its Versions, page by page."""
        found = {}
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        for page in pages:
            for version in page.get("Versions", []):
                self.of(version, found).append({name: version[name] for name in ("VersionId", "IsLatest", "LastModified", "Size")})
            for marker in page.get("DeleteMarkers", []):
                if marker["IsLatest"]:
                    self.of(marker, found).hidden_at = marker["LastModified"]
            # the next page may go on with the versions of the same key
            rest = page.get("NextKeyMarker", "")[len(self.prefix) :] if page.get("IsTruncated") else None
            for key in [key for key in found if key != rest]:
                versions = found.pop(key)
                versions.reverse()  # stores list the newest version of a key first
                if versions:
                    yield key, versions

    def of(self, version, found):
        return found.setdefault(version["Key"][len(self.prefix) :], Versions())

    def read_entries(self, versions, prefix):
        """By name: the entry as it was first written. Nobody can change that one while it is locked."""
        keys = [key for key in versions if key.startswith(prefix)]
        read = lambda key: json.loads(self.open(key, versions[key][0]["VersionId"]).read())
        with ThreadPoolExecutor(8) as pool:
            return dict(zip((key[len(prefix) : -len(".json")] for key in keys), pool.map(read, keys)))


class Versions(list):
    """Of one key, the oldest first. None of them is the latest where a delete marker hides them, since `hidden_at`."""

    hidden_at = None


def is_shown(versions):
    return any(version["IsLatest"] for version in versions)


def file_digest(path):
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def wal_key(name):
    folder = "" if name.endswith(".history") else f"{name[:16]}/"
    return f"wals/{folder}{name}.gz"


def archive_segment(store, path, command):
    """
    The digest goes into the log before the file goes to the store, so that whatever is in the store was in the log first: a
    server that dies between leaves no segment without its digest. The server may ask for the same file again.
    """
    name = os.path.basename(path)
    sha256, size = file_digest(path)
    digest_key, stored_key, key = f"log/wals/{name}.json", f"log/stored/{name}.json", wal_key(name)
    if store.head(digest_key):
        if json.loads(store.open(digest_key).read())["sha256"] != sha256:
            sys.exit(f"{name} is in the log with another content: does another server archive as this one?")
        stored = json.loads(store.open(stored_key).read()) if store.head(stored_key) else None
        if stored and store.head(key, stored["version_id"]):
            return
    else:
        written_at = datetime.fromtimestamp(os.stat(path).st_mtime, timezone.utc)
        store.put(
            digest_key,
            {"name": name, "bytes": size, "sha256": sha256, "written_at": text_of(written_at), "logged_at": text_of(now())},
        )
    status = subprocess.run(command).returncode
    if status != 0:
        sys.exit(status if status > 0 else 1)
    stored = object_state(store, key)
    if stored is None:
        sys.exit(f"{key} is not in the store after its upload")
    store.put(stored_key, {"name": name, **stored})


def object_state(store, key, version=None):
    """Of an object: its version, since when the store has it, encrypted how, and locked until when. None for no object."""
    head = store.head(key, version)
    if head is None:
        return None
    locked_until = head.get("ObjectLockRetainUntilDate")
    return {
        "key": key,
        "version_id": head.get("VersionId"),
        "object_bytes": head["ContentLength"],
        "stored_at": text_of(head["LastModified"]),
        "encryption": head.get("ServerSideEncryption"),
        "lock": head.get("ObjectLockMode"),
        "locked_until": locked_until and text_of(locked_until),
    }


class Reader:
    """Hashes what is read through it, and keeps its beginning."""

    def __init__(self, body, limit=None):
        self.body, self.limit, self.sha256, self.size, self.head = body, limit, hashlib.sha256(), 0, b""

    def read(self, size=CHUNK_BYTES):
        if stopping.is_set():
            raise Stopped
        chunk = self.body.read(size)
        self.sha256.update(chunk)
        self.size += len(chunk)
        self.head += chunk[: PAGE_HEADER.size - len(self.head)]
        if self.limit and self.size > self.limit:
            raise ValueError("it is longer than a file of WAL can be")
        return chunk

    def drain(self):
        while self.read():
            pass


class Gunzip:
    """Decompresses what is read through it, its check sum included: tarfile's own way does not look at that."""

    def __init__(self, body):
        self.body, self.unzip, self.ready = body, zlib.decompressobj(zlib.MAX_WBITS | 16), b""

    def read(self, size=CHUNK_BYTES):
        while len(self.ready) < size and not self.unzip.eof:
            chunk = self.body.read(1 << 16)  # a thousand times as much, when it is of zeros
            if not chunk:
                raise ValueError("it is cut off")
            self.ready += self.unzip.decompress(chunk)
        taken, self.ready = self.ready[:size], self.ready[size:]
        return taken


def read_segment(store, key, version):
    """
    Two Readers that have read all: one of what is in an object, decompressed, and one of its bytes. Raises zlib.error, or
    ValueError for an object that is cut off, goes on after the end of what is compressed, or is of no file of WAL.
    """
    stored = Reader(store.open(key, version))
    gunzip = Gunzip(stored)
    content = Reader(gunzip, WAL_BYTES)
    content.drain()
    if gunzip.unzip.unused_data or stored.read():
        raise ValueError("it goes on after its end")
    return content, stored


def read_backup_info(store, key):
    lines = store.open(key).read().decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def log_bases(store, versions=None):
    """Each that cannot be read back, and why; it keeps no other out of the log."""
    versions = store.versions("base/") if versions is None else versions
    logged = store.versions("log/base/")
    faults = []
    for key in sorted(versions):
        match = re.match(r"^base/([^/]+)/backup\.info$", key)
        if not match or not is_shown(versions[key]) or f"log/base/{match[1]}.json" in logged:
            continue
        info = read_backup_info(store, key)
        if info.get("status") != "DONE":
            continue
        try:
            log_base(store, match[1], info, [each for each in sorted(versions) if is_shown(versions[each])])
        except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
            faults.append((match[1], f"cannot be read back: {error}"))
    return faults


def log_base(store, name, info, keys):
    files = set()
    objects = [read_base_object(store, key, files) for key in keys if key.startswith(f"base/{name}/")]
    lacking = {"backup_label", "global/pg_control", "PG_VERSION"} - files
    if lacking:
        raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
    taken = {each: info.get(each) for each in ("begin_wal", "end_wal", "begin_time", "end_time", "systemid", "timeline")}
    store.put(f"log/base/{name}.json", {"name": name, **taken, "logged_at": text_of(now()), "objects": objects})
    print(f"base backup {name}: {sum(each['object_bytes'] for each in objects)} bytes read back", file=sys.stderr)


def read_base_object(store, key, names):
    """Its state and the digest of its bytes. Of a tar it reads every file, whose names it adds; raises for one that is not whole."""
    state = object_state(store, key)
    reader = Reader(store.open(key, state["version_id"]))
    if key.endswith(".tar.gz"):
        content = Reader(Gunzip(reader))
        with tarfile.open(fileobj=content, mode="r|") as tar:
            names.update(os.path.normpath(member.name) for member in tar)
        content.drain()
    reader.drain()
    return {**state, "sha256": reader.sha256.hexdigest()}


def first_needed(bases):
    """The name of the first segment that a base backup of these needs; None for no base backup."""
    return min((base["begin_wal"] for base in bases), default=None)


def state_faults(entry):
    """What an object should be and is not, by its entry."""
    keep = retention()
    if ENCRYPTION != "off" and not entry["encryption"]:
        yield "is not encrypted"
    if entry["lock"] != "COMPLIANCE" or not entry["locked_until"]:
        yield "is not locked in COMPLIANCE mode"
    elif time_of(entry["locked_until"]) < time_of(entry["stored_at"]) + keep - CLOCKS:
        yield f"is locked until {entry['locked_until']}: for less than backups are kept"


def retention():
    return timedelta(days=int(os.environ.get("BACKUP_RETENTION_DAYS") or 30))


def is_needed(name, first):
    """Whether a file of WAL is needed where `first` is the first segment that is."""
    return name.endswith(".history") or first is None or name[:24] >= first


def gaps(names, first, segment_bytes):
    """
    Names of a timeline follow each other. One timeline goes on from another in the segment where it left it, or the next. Of
    each gap: its first segment, what to say of it, and the segment after it.
    """
    per_log = (1 << 32) // segment_bytes
    number = lambda name: int(name[8:16], 16) * per_log + int(name[16:], 16)
    named = lambda timeline, n: f"{timeline:08X}{n // per_log:08X}{n % per_log:08X}"
    timeline, last = (int(first[:8], 16), number(first) - 1) if first else (int(names[0][:8], 16), number(names[0]) - 1)
    for name in names:
        own = int(name[:8], 16)
        if number(name) > last + 1:
            until = number(name) - 1
            yield named(timeline, last + 1), "is missing" if until == last + 1 else f"to {named(timeline, until)} are missing", name
        timeline, last = own, number(name)


def end_entries(store):
    versions = store.versions()
    bases = store.read_entries(versions, "log/base/")
    shown = {name: base for name, base in bases.items() if is_shown(versions.get(f"base/{name}/backup.info", []))}
    first = first_needed(shown.values())
    over = [f"log/base/{name}.json" for name in bases if name not in shown]
    for key in versions:
        match = DIGEST_KEY.match(key)
        if match and first and not match[1].endswith(".history") and match[1][:24] < first:
            if not is_shown(versions.get(wal_key(match[1]), [])):
                over += [key, f"log/stored/{match[1]}.json"]
    for key in over:
        if is_shown(versions.get(key, [])):
            store.hide(key)


class Check:
    """Finds what is not as the log says. `sample`: how many segments are read back; None for everything."""

    def __init__(self, store, sample, settle=SETTLE):
        self.store, self.sample, self.faults, self.read = store, sample, [], 0
        self.began = now()
        self.keep = retention()
        # the log last: whatever is in the store was in the log before
        self.versions = {**store.versions("wals/"), **store.versions("base/"), **store.versions("log/")}
        self.digests = store.read_entries(self.versions, "log/wals/")
        self.stored = store.read_entries(self.versions, "log/stored/")
        self.bases = store.read_entries(self.versions, "log/base/")
        # `follow` logs what is there already, and it is not the only one who is at work there
        is_followed = any(digest.get("source") == FROM_STORE for digest in self.digests.values())
        self.settled = self.began - settle if is_followed else None
        self.followed = self.began - FOLLOWED if is_followed else None

    def fault(self, name, what):
        self.faults.append((name, what))

    def run(self):
        self.check_entries()
        shown = self.check_bases()
        self.newest = max((time_of(base["end_time"]) for base in shown), default=None)
        self.check_wal(first_needed(shown))

    def check_entries(self):
        """What was first written counts; that somebody wrote over it is told. An upload that was made again adds to log/stored."""
        for key, versions in self.versions.items():
            if key.startswith(("log/wals/", "log/base/")) and len(versions) > 1:
                said = [json.loads(self.store.open(key, version["VersionId"]).read()) for version in versions]
                if any({**each, "logged_at": None} != {**said[0], "logged_at": None} for each in said):
                    self.fault(key, "was written again with another content")

    def check_bases(self):
        shown = []
        for name, base in sorted(self.bases.items()):
            if not is_shown(self.versions.get(f"base/{name}/backup.info", [])):
                if time_of(base["end_time"]) + self.keep > self.began:
                    self.fault(f"base/{name}", "is hidden or gone before its time")
                continue
            shown.append(base)
            for each in base["objects"]:
                self.check_object(each["key"], each)
                if self.sample is None and self.store.head(each["key"], each["version_id"]):
                    reader = Reader(self.store.open(each["key"], each["version_id"]))
                    reader.drain()
                    if reader.sha256.hexdigest() != each["sha256"]:
                        self.fault(each["key"], "has another digest than the log")
        for key, versions in self.versions.items():
            match = BASE_KEY.match(key)
            if match and match[1] not in self.bases and is_shown(versions) and key.endswith("/backup.info"):
                if versions[-1]["LastModified"] + UNLOGGED < self.began:
                    self.fault(key, "is a base backup that is not in the log")
        return shown

    def check_object(self, key, entry):
        """Whether a reader gets the version that the log names, and it is kept as it must be."""
        versions = self.versions.get(key, [])
        if not any(version["VersionId"] == entry["version_id"] for version in versions):
            if not self.store.head(key, entry["version_id"]):  # otherwise it came after the list was read
                self.fault(key, "is missing: the version of the log is not in the store")
            return
        if not is_shown(versions):
            if self.settled and versions.hidden_at and versions.hidden_at > self.settled:
                return
            return self.fault(key, "is missing: a delete marker hides it")
        if versions[-1]["VersionId"] != entry["version_id"]:
            return self.fault(key, "was changed: there is a newer version than that of the log")
        if versions[-1]["Size"] != entry["object_bytes"]:
            return self.fault(key, f"has {versions[-1]['Size']} bytes, and by the log {entry['object_bytes']}")
        for what in state_faults(entry):
            self.fault(key, what)

    def check_wal(self, first):
        readable, doubtful = [], []
        for key, versions in self.versions.items():
            if not key.startswith("wals/") or not is_shown(versions):
                continue
            match = WAL_KEY.match(key)
            if not match:
                self.fault(key, "is no file of WAL as archive-wal names it")
            elif match[1] not in self.digests and not (self.followed and versions[-1]["LastModified"] > self.followed):
                self.fault(key, "is not in the log")
        needed = [name for name in self.digests if is_needed(name, first)]
        for name in sorted(needed):
            key, stored = wal_key(name), self.stored.get(name)
            versions = self.versions.get(key, [])
            if stored is None:
                # the server died, or the upload is under way or comes again; a later one in the store makes it a gap
                if is_shown(versions):
                    doubtful.append(name)
                continue
            # what was uploaded twice has two such entries: the last is of what a reader gets, which is then read
            uploads = self.versions[f"log/stored/{name}.json"]
            if len(uploads) > 1:
                stored = json.loads(self.store.open(f"log/stored/{name}.json", uploads[-1]["VersionId"]).read())
            self.check_object(key, stored)
            if is_shown(versions):
                (doubtful if len(uploads) > 1 else readable).append(name)
        chosen = readable if self.sample is None else random.sample(readable, min(self.sample, len(readable)))
        for name in doubtful + chosen:
            self.check_content(wal_key(name), self.versions[wal_key(name)][-1]["VersionId"], name)
        reached = [name for name in needed if SEGMENT.match(name) and (name in self.stored or name in doubtful)]
        self.check_gaps(sorted(reached), first)

    def check_content(self, key, version, name):
        self.read += 1
        try:
            content, _ = read_segment(self.store, key, version)
            sha256, size = content.sha256.hexdigest(), content.size
        except (zlib.error, ValueError) as error:
            return self.fault(key, f"cannot be decompressed: {error}")
        if (sha256, size) != (self.digests[name]["sha256"], self.digests[name]["bytes"]):
            self.fault(key, f"was changed: its content is {sha256}, and by the log {self.digests[name]['sha256']}")

    def check_gaps(self, names, first):
        if not names:
            return
        for name, what, after in gaps(names, first, self.digests[names[0]]["bytes"]):
            stored = self.stored.get(after)
            if not (self.settled and stored and time_of(stored["stored_at"]) > self.settled):
                self.fault(name, what)

    def longest_lag(self):
        """Seconds from the last write to a segment until the store had it, of those of the last day; 0 for none."""
        lags = [
            (time_of(stored["stored_at"]) - time_of(self.digests[name]["written_at"])).total_seconds()
            for name, stored in self.stored.items()
            if SEGMENT.match(name) and time_of(stored["stored_at"]) + timedelta(days=1) > self.began
            # of what was taken from the store nobody knows when it was written
            if self.digests.get(name, {}).get("written_at")
        ]
        return max([0, *lags])

    def write_metrics(self, path):
        figures = {
            "truetrail_base_backup_end_timestamp_seconds": (
                self.newest and self.newest.timestamp(),
                "When the newest base backup ended that is whole, was read back and is in the log",
            ),
            "truetrail_backup_check_timestamp_seconds": (now().timestamp(), "When bucket and log were last compared"),
            "truetrail_backup_check_faults": (len(self.faults), "What is in the bucket of backups not as its log says"),
            "truetrail_backup_wal_lag_seconds": (self.longest_lag(), "Longest time of the last day until a whole file of WAL was in the store"),
        }
        lines = [
            f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n" for name, (value, text) in figures.items() if value is not None
        ]
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.writelines(lines)
        os.chmod(f"{path}.new", 0o644)
        os.replace(f"{path}.new", path)


class Follow:
    """
    Logs what others brought to the store, from what is there, and finds what is not as the log says. It asks for lists of
    names, and reads what is new or not as expected. Of each file of WAL it keeps the name alone, so that what it holds does not
    depend on how much is in them. What it puts into the log first is the digest: one that is killed there is gone on from.
    """

    def __init__(self, store, settle):
        self.store, self.faults, self.logged = store, [], 0
        self.settled = now() - settle
        # the log first: what it has must be in the store
        self.digests = {key: versions[0]["VersionId"] for key, versions in store.listed("log/wals/")}
        self.uploads = {key: versions[-1]["LastModified"] for key, versions in store.listed("log/stored/")}
        self.base_versions = store.versions("base/")
        entries = store.read_entries(store.versions("log/base/"), "log/base/")
        self.bases = {name: base for name, base in entries.items() if is_shown(self.base_versions.get(f"base/{name}/backup.info", []))}
        self.systemid = next((base["systemid"] for _, base in sorted(entries.items()) if base.get("systemid")), None)
        self.segment_bytes = None
        first = next((key for key in sorted(self.digests) if SEGMENT.match(DIGEST_KEY.match(key)[1])), None)
        if first:
            entry = self.digest_of(first)
            self.systemid, self.segment_bytes = self.systemid or entry.get("systemid"), entry["bytes"]

    def fault(self, name, what):
        self.faults.append((name, what))

    def digest_of(self, key):
        """As it was first written."""
        return json.loads(self.store.open(key, self.digests[key]).read())

    def follow_wals(self):
        first = first_needed(self.bases.values())
        there, reached, waiting = set(), {}, []
        with ThreadPoolExecutor(READERS) as pool:
            for key, versions in self.store.listed("wals/"):
                if stopping.is_set():
                    raise Stopped
                match = WAL_KEY.match(key)
                if not match or wal_key(match[1]) != key:
                    if is_shown(versions):
                        self.fault(key, refusal(key))
                    continue
                name = match[1]
                there.add(name)
                if SEGMENT.match(name) and is_needed(name, first):
                    reached[name] = versions[-1]["LastModified"] > self.settled
                if not is_shown(versions):
                    # what is over is hidden, and so are its entries
                    if is_needed(name, first) and not (versions.hidden_at and versions.hidden_at > self.settled):
                        self.fault(key, "is missing: a delete marker hides it")
                    continue
                logged_at = self.uploads.get(f"log/stored/{name}.json")
                if f"log/wals/{name}.json" in self.digests and logged_at and len(versions) == 1:
                    if versions[0]["LastModified"] <= logged_at:
                        continue
                if self.systemid is None and SEGMENT.match(name):
                    self.follow_file(name, key, versions)  # the others are held against it
                    continue
                waiting.append((name, key, versions))
                if len(waiting) >= 64:
                    list(pool.map(self.follow_file, *zip(*waiting)))
                    waiting.clear()
            if waiting:
                list(pool.map(self.follow_file, *zip(*waiting)))
        for key in self.digests:
            name = DIGEST_KEY.match(key)[1]
            if name not in there and f"log/stored/{name}.json" in self.uploads and is_needed(name, first):
                self.fault(wal_key(name), "is missing: the version of the log is not in the store")
                if SEGMENT.match(name):
                    reached[name] = False
        if reached and self.segment_bytes:
            for name, what, after in gaps(sorted(reached), first, self.segment_bytes):
                if not reached[after]:
                    self.fault(name, what)

    def follow_file(self, name, key, versions):
        """Of a file of WAL that is not in the log, or has versions besides the one of the log: those that are not."""
        if stopping.is_set():
            raise Stopped
        stored_key, digest_key = f"log/stored/{name}.json", f"log/wals/{name}.json"
        known = set()
        for upload in self.store.versions(stored_key).get(stored_key, []):
            known.add(json.loads(self.store.open(stored_key, upload["VersionId"]).read())["version_id"])
        unknown = [version["VersionId"] for version in versions if version["VersionId"] not in known]
        if len(unknown) > VERSIONS_READ:
            self.fault(key, f"has {len(unknown)} versions that are not in the log")
            unknown = [unknown[0], unknown[-1]]
        for version in unknown:
            try:
                content, stored = read_segment(self.store, key, version)
                sha256, systemid = content.sha256.hexdigest(), self.check_header(name, content)
            except (zlib.error, ValueError) as error:
                self.fault(key, f"is no file of WAL of this name: {error}")
                continue
            if digest_key in self.digests:
                logged = self.digest_of(digest_key)["sha256"]
                if logged != sha256:
                    self.fault(key, f"was changed: its content is {sha256} in version {version}, and by the log {logged}")
                    continue
            else:
                digest = {"name": name, "bytes": content.size, "sha256": sha256, "written_at": None, "logged_at": text_of(now())}
                self.store.put(digest_key, {**digest, "source": FROM_STORE, "systemid": systemid})
                written = self.store.versions(digest_key)[digest_key]
                # another run may have been first, and of another version
                self.digests[digest_key] = written[0]["VersionId"]
                self.logged += 1
            state = object_state(self.store, key, version)
            if state is None:
                continue  # its lock was over meanwhile
            self.store.put(stored_key, {"name": name, **state, "object_sha256": stored.sha256.hexdigest(), "source": FROM_STORE})
            for what in state_faults(state):
                self.fault(key, what)

    def check_header(self, name, content):
        """Whether the first page is of the segment of this name and of this server; its system identifier, or None for no segment."""
        if not SEGMENT.match(name[:24]) or name.endswith(".backup"):
            return None
        if len(content.head) < PAGE_HEADER.size:
            raise ValueError("it is too short")
        _, flags, timeline, address, _, systemid, size, _ = PAGE_HEADER.unpack(content.head)
        if not flags & LONG_HEADER or size != content.size:
            raise ValueError("it does not begin as one, or is not as long as it says")
        expected = int(name[8:16], 16) * (1 << 32) + int(name[16:24], 16) * size
        # where a timeline begins within a segment, that one begins with what the timeline before had written
        if address != expected or not 0 < timeline <= int(name[:8], 16):
            raise ValueError(f"it is of another place in the WAL: {address >> 32:X}/{address & 0xFFFFFFFF:08X}, timeline {timeline}")
        self.systemid, self.segment_bytes = self.systemid or str(systemid), self.segment_bytes or size
        if str(systemid) != self.systemid:
            raise ValueError(f"it is of the server with the system identifier {systemid}, and this one has {self.systemid}")
        return str(systemid)

    def follow_bases(self):
        """Those that are whole and not in the log yet; what has several versions is not read, as nothing archives so."""
        once = {}
        for key, versions in self.base_versions.items():
            match = BASE_KEY.match(key)
            if match and is_shown(versions) and match[1] not in self.bases and len(versions) > 1:
                self.fault(key, f"has {len(versions)} versions before it is in the log")
                once[match[1]] = False
        left = {key: each for key, each in self.base_versions.items() if once.get(key.split("/")[1], True)}
        for name, what in log_bases(self.store, left):
            self.fault(f"base/{name}", what)
        entries = self.store.read_entries(self.store.versions("log/base/"), "log/base/")
        for name in entries.keys() - self.bases.keys():
            systemid = entries[name].get("systemid")
            if self.systemid and systemid not in (None, self.systemid):
                self.fault(f"base/{name}", f"is of the server with the system identifier {systemid}, and the WAL of {self.systemid}")
            for each in entries[name]["objects"]:
                if is_shown(self.base_versions.get(each["key"], [])):
                    for what in state_faults(each):
                        self.fault(each["key"], what)


def refusal(key):
    match = UNREAD_SUFFIX.match(key)
    if not match:
        return "is no file of WAL as barman-cloud names it"
    compression = f"compressed as {match[2][1:]}" if match[2] else "not compressed"
    return f"is {compression}, which is not read here: have it archived with gzip"


def follow(store, arguments):
    options = [each for each in arguments if each in ("--wals", "--check")]
    settle = timedelta(seconds=int(arguments[arguments.index("--settle") + 1])) if "--settle" in arguments else SETTLE
    found = Follow(store, settle)
    found.follow_wals()
    print(f"{found.logged} files of WAL logged, of {len(found.digests)} in the log", file=sys.stderr)
    if "--wals" not in options:
        found.follow_bases()
    faults = dict.fromkeys(found.faults)
    if "--check" in options:
        end_entries(store)
        faults.update(dict.fromkeys(run_check(store, 20, settle).faults))
    for name, what in faults:
        print(f"{name} {what}")
    print(f"{len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


def check(store, arguments):
    sample = None if arguments == ["--all"] else int(arguments[1]) if arguments[:1] == ["--sample"] else 20
    found = run_check(store, sample)
    for name, what in found.faults:
        print(f"{name} {what}")
    return 1 if found.faults else 0


def run_check(store, sample, settle=SETTLE):
    found = Check(store, sample, settle)
    found.run()
    print(
        f"{len(found.digests)} files of WAL and {len(found.bases)} base backups in the log, {found.read} files of WAL read back,"
        f" {found.longest_lag():.1f} s at most until one was in the store: {len(found.faults)} faults",
        file=sys.stderr,
    )
    if os.environ.get("BACKUP_METRICS_FILE"):
        found.write_metrics(os.environ["BACKUP_METRICS_FILE"])
    return found


def list_entries(store):
    versions = store.versions("log/")
    stored = store.read_entries(versions, "log/stored/")
    for name, digest in sorted(store.read_entries(versions, "log/wals/").items()):
        print(json.dumps({**digest, **stored.get(name, {})}))
    for _, base in sorted(store.read_entries(versions, "log/base/").items()):
        print(json.dumps(base))


def main():
    verb, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if verb not in ("segment", "bases", "end", "list", "check", "follow"):
        print(__doc__, file=sys.stderr)
        return 2
    if verb in ("check", "follow"):
        # in a container it is process 1, which is ended by nothing that it does not ask for
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: stopping.set())
    store = Store(os.environ["BACKUP_URL"])
    try:
        if verb == "segment":
            archive_segment(store, arguments[0], arguments[1:])
        elif verb == "bases":
            faults = log_bases(store)
            for name, what in faults:
                print(f"base backup {name} {what}", file=sys.stderr)
            return 1 if faults else 0
        elif verb == "end":
            end_entries(store)
        elif verb == "list":
            list_entries(store)
        elif verb == "follow":
            return follow(store, arguments)
        else:
            return check(store, arguments)
    except Stopped:
        print(f"backup-log {verb}: stopped; what is in the log stays, and the next run goes on", file=sys.stderr)
        return 2
    except (BotoCoreError, ClientError, OSError, tarfile.TarError, zlib.error, EOFError) as error:
        print(f"backup-log {verb}: {error}", file=sys.stderr)
        return 2
    return 0


sys.exit(main())
