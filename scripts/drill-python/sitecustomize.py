"""
Names the key of SSE-KMS to a store that knows no default one, as Ceph's gateway; barman-cloud of Debian 12 (3.4) cannot.
`npm run drill -- --kms-key KEY` has Python load this for barman-cloud and backup-log. On AWS nothing of it is needed.
"""
import os

import botocore.session

key = os.environ.get("DRILL_KMS_KEY")
if key:
    make = botocore.session.Session.__init__

    def make_with_key(self, *args, **kwargs):
        make(self, *args, **kwargs)

        def name_key(params, **_):
            if params.get("ServerSideEncryption") == "aws:kms":
                params.setdefault("SSEKMSKeyId", key)

        for operation in ("PutObject", "CreateMultipartUpload"):
            self.register(f"provide-client-params.s3.{operation}", name_key)

    botocore.session.Session.__init__ = make_with_key
