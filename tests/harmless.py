"""Values that are no secrets though they look a little like some: what the gate must leave alone. Written for it."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from typing import Any, Final

_TEXTS: Final = """
The quick brown fox jumps over the lazy dog.
What is the capital of France?
Your order has been shipped and arrives on Tuesday.
The key to a good soup is time.
Key: C major, tempo: 120 bpm
The secret: patience, and a sharp knife.
My secret? I never skip breakfast.
It is a secret to everybody.
Keep it a secret until Monday, please.
Secrets of the deep sea: a documentary
Password: 8 characters at least, with a digit, please.
Please choose a password that you do not use elsewhere.
You forgot your password? Click on the link below.
Password reset is not available on weekends.
Enter your password:
Password must not be empty
Authorization is required for this operation.
We asked for authorization and got it two days later.
The cookie: a short history of a biscuit
Cookie recipe: flour, butter, sugar, and chocolate
Cookies are baked at 180 degrees.
This site uses cookies: essential ones only
The token count is 1,024 for this prompt.
tokens: 12
max_tokens: 256
total_tokens=1024
completion_tokens: 17, prompt_tokens: 31
eos_token: <|endoftext|>
pad_token = "<pad>"
A token of appreciation: flowers
Each token is about four characters of English.
tokenizer: cl100k_base
token_type_ids: [0, 0, 1]
author: Jane Austen
authority: the city of Berlin
authors: Austen, Brontë, Eliot
session notes: we talked about socks
session_id: 42
keyboard: querty or azerty
keynote: 9:30 in the main hall
monkey: see, do
turkey: with cranberries
primary_key: id
foreign_key: customer_id
sort key: created_at
key=value
keys: a, b and c
The public key is on my website.
public_key: see the README
partition_key = "customer"
hotkey: Ctrl+K
api: the interface of the shop
API documentation: https://docs.example.com/reference/v2
The API key is read from the environment.
Set your API key in the settings first.
api_key = os.environ["OPENAI_API_KEY"]
api_key=os.getenv("KEY")
password = getpass()
password = get_password(user)
secret = config.secret
client = OpenAI(api_key=settings.api_key)
self.token = token
token: str = ""
password: str
password: Optional[str] = None
password: string
def login(user: str, password: str) -> bool:
secret: null
credentials: none
credentials: required
auth_token: undefined
"access_token": null
password=
"password": ""
api_key: ${API_KEY}
api_key: {{ secrets.api_key }}
password: $DB_PASSWORD
password=***
password: ****
Authorization
Bearer of good news
The bearer of this letter is my friend.
bearer bonds were abolished in 1982
basic arithmetic and algebra
Basic auth is deprecated.
credentials (username and password) are needed
connection string theory is not a thing
the secretary: Ms. Jones
passenger: Mr. Fogg
compass: north by northwest
passphrase books are out of fashion
pwd prints the working directory
$ pwd
sk-learn is a library for machine learning
sklearn-contrib-imbalanced-learn
sk-SK is the locale of Slovakia
sk-learn-extensions-for-the-impatient
ski-resort-with-a-view
risk-assessment-and-mitigation-plan
task-force-on-water-management
desk-lamp-with-a-dimmer-switch
The AKIA of my grandmother was a small town
Asian cuisine is diverse
github_actions_workflow_for_releases
github_repository_description_text
npm_config_registry_for_everyone
npm install --save-dev typescript
pypi-mirror
pip install pypi-attestations
hf_hub_download(repo_id="bert-base-uncased")
ghost_in_the_shell
xox is a game for two
xoxo, your grandmother
shpilman_the_great_musician
AIza is a name
eyJust a typo
eyJ is how base64 of JSON begins
git_commit_message_of_the_day
git@github.com:example/project.git
https://example.com/path/to/page?x=1&y=2
https://example.com/search?q=socks&sort=price&page=3
https://example.com/?sign=capricorn
https://user@example.com/repo.git
https://example.com/@someone/post-about-a-thing-that-happened
http://localhost:8000/v1/chat/completions
https://www.youtube.com/watch?v=dQw4w9WgXcQ
https://docs.google.com/document/d/1a2b3c4d5e6f7g8h9i0j/edit
https://en.wikipedia.org/wiki/Public-key_cryptography
mailto:someone@example.com
postgresql://localhost:5432/shop
redis://localhost:6379/0
sqlite:///shop.db
amqp://localhost
file:///home/me/notes.txt
s3://bucket/some/long/path/to/an/object-2026-01-01.parquet
gs://bucket/models/bert-base-uncased/pytorch_model.bin
gpt-4o-mini-2024-07-18
claude-3-5-sonnet-20241022
text-embedding-3-small
meta-llama/Llama-3.1-70B-Instruct
ft:gpt-4o-mini-2024-07-18:acme:support:9abcDEFg
chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ012
resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b
call_abcdefghijklmnopqrstuvwx
msg_01XFDUDYJgAACzvnptvVoYEL
run-0a1b2c3d-4e5f-6789-abcd-ef0123456789
req_011CPUGcVDzEo2JvNEv9xkYB
thread_abc123def456ghi789jkl012
file-abc123DEF456ghi789JKL012
fp_44709d6fcb
asst_abcdefghijklmnopqrstuvwx
2026-01-02T03:04:05.678901+00:00
Mon, 02 Jan 2026 03:04:05 GMT
00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0
Content-Type: application/json; charset=utf-8
Accept-Language: de-DE,de;q=0.9,en;q=0.8
Cache-Control: no-cache, no-store, must-revalidate
X-Request-Id: 0a1b2c3d4e5f67890a1b2c3d4e5f6789
ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
WWW-Authenticate: Bearer
HTTP/1.1 401 Unauthorized
Error code: 401 - the key that was given is not valid
openai.AuthenticationError: the request was not authorised
KeyError: 'password'
ValueError: secret must be at least 32 characters long
TypeError: login() missing 1 required positional argument: 'password'
File "/usr/lib/python3.11/site-packages/openai/_base_client.py", line 1012, in request
SELECT id, name, password_hash FROM users WHERE id = 7
CREATE TABLE keys (id INTEGER PRIMARY KEY, value TEXT NOT NULL)
INSERT INTO secrets_of_the_sea VALUES (1, 'whale')
docker run --rm -it -p 8080:80 -e MODE=production nginx:1.25
git clone https://github.com/example/very-long-project-name-of-something.git
curl -X POST -H 'Content-Type: application/json' http://localhost:8000/v1/embeddings
export PATH=/usr/local/bin:/usr/bin:/bin
ssh-keygen -t ed25519 -C "me@example.com"
ssh-rsa is an old algorithm
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
-----BEGIN of a long story-----
for key, value in settings.items(): print(key, value)
lambda token: token.text
if key == "secret": raise ValueError
return {"token": token, "type": "word"}
const token = await lexer.next();
String password = request.getParameter("password");
let key: string = keys[0];
map[string]string{"key": "value"}
sorted(words, key=len)
max(items, key=lambda item: item.price)
df.sort_values(by="token_count", ascending=False)
dictionary.get(key, default)
encryption at rest: AES-256-GCM
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
commit 3c40a21d9c28af37728b0e4fe5d540ab298ea785
md5: d41d8cd98f00b204e9800998ecf8427e
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
ISBN 978-3-16-148410-0
VIN 1HGBH41JXMN109186
tracking number 1Z999AA10123456784
order number A-2026-000017
invoice INV/2026/01/0042, due on 2026-02-01
version 1.2.3-beta.4+build.567
latitude 52.520008, longitude 13.404954
Phone number: see the imprint
E-mail us at any time
IBAN and BIC are printed on the invoice
192 cards were sold
room 101, second floor, left
π ≈ 3.14159265358979323846264338327950288
1 + 1 = 2, and 2 + 2 = 4
E = mc²; F = ma; V = IR
ACGTACGTACGTACGTACGTACGTACGTACGT
MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
----------------------------------------
========================================
________________________________________
The_quick_brown_fox_jumps_over_the_lazy_dog
supercalifragilisticexpialidocious
Donaudampfschifffahrtsgesellschaftskapitän
Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch
Größe: 42, Farbe: blau, Schlüssel: keiner
mot de passe oublié ? cliquez ici
Passwort vergessen? Hier klicken.
パスワード: 8文字以上
密码:至少八个字符
Ключ: не найден
😀 secret santa: on Friday at five
{"key": "value", "keys": ["a", "b"], "monkey": 1}
{"token": "hello", "logprob": -0.1}
{"author": "x", "tokens": 12, "max_tokens": 5}
{"name": "password", "type": "string", "required": true}
{"secret": false, "password": null, "token": ""}
{"public_key": "see the README", "sort_key": "name"}
{"type": "object", "properties": {"password": {"type": "string"}}, "required": ["password"]}
{"cursor": "b3BhcXVl", "has_more": true, "next_page": 2}
{"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
<input type="password" name="password" placeholder="Password">
<a href="https://example.com/reset?step=2">Reset your password</a>
<key>name</key><value>socks</value>
| key | value |
## Secrets, keys and tokens
- **API key**: a word that names who calls
1. Create a key. 2. Copy the key. 3. Use the key.
Q: What is a bearer token? A: A text that opens a door.
A "refresh token" lives longer than an "access token".
The access token expires after one hour.
client secret and client id come from the console
private keys never leave the device
cookie consent: given on 2026-01-02
key takeaways: ship early, ship often
secret ingredient: nutmeg
password policy: see page 12
token economy: a critique
credential stuffing: what it is and how to stop it
authorization code flow: step by step
Connection string: see the wiki
skeleton key: opens many doors
answer key: B, D, A, C
The passkey: a replacement of passwords
key_points: speed, price, quality
key_id: 7
keyword: socks
keywords: socks, wool, blue
keyframe: 24
secretion: of hormones
tokenization: splitting a text
passwordless: yes
""".strip().splitlines()


def _generated() -> list[Any]:
    dice = random.Random(7)
    draw = dice.randbytes
    made: list[Any] = [str(uuid.UUID(bytes=draw(16))) for _ in range(40)]
    made += [hashlib.sha256(draw(8)).hexdigest() for _ in range(40)]
    made += [hashlib.sha1(draw(8)).hexdigest() for _ in range(20)]
    made += [base64.b64encode(draw(300)).decode() for _ in range(40)]
    made += ["data:image/jpeg;base64," + base64.b64encode(draw(600)).decode() for _ in range(20)]
    made += [base64.urlsafe_b64encode(draw(24)).decode() for _ in range(20)]
    made += [[dice.gauss(0, 1) for _ in range(50)] for _ in range(20)]
    made += [{"x": dice.random(), "n": dice.getrandbits(60)} for _ in range(20)]
    made += [
        f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02} INFO worker-{n} took {n * 7} ms" for n in range(20)
    ]
    return made


HARMLESS: Final[list[Any]] = [*_TEXTS, *_generated()]
