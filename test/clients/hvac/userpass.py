"""Userpass: every method, and lockout."""
import time
userpass = client.auth.userpass
empty(client.sys.enable_auth_method('userpass'))
raises(exceptions.InvalidPath, userpass.list_user)
empty(userpass.create_or_update_user('Ada', password='first one', policies=['ops'], token_ttl='10m'))
equal(userpass.list_user()['data']['keys'], ['ada'])
user = userpass.read_user('ada')['data']
holds(user, token_policies=['ops'], token_ttl=600)
assert 'password' not in user and 'password_hash' not in user, user
login = nobody()
auth = login.auth.userpass.login('ada', 'first one')['auth']
holds(auth, policies=['default', 'ops'], metadata={'username': 'ada'}, lease_duration=600, orphan=True)
equal(login.token, auth['client_token'])
holds(login.auth.token.lookup_self()['data'], display_name='userpass-ada', path='auth/userpass/login/ada')
equal(login.auth.userpass.login('ADA', 'first one', use_token=False)['auth']['metadata']['username'], 'ada')
empty(userpass.update_password_on_user('ada', 'second one'))
raises(exceptions.InvalidRequest, login.auth.userpass.login, 'ada', 'first one', text='invalid username or password')
login.auth.userpass.login('ada', 'second one')
empty(client.write_data('auth/userpass/users/ada/policies', data={'token_policies': 'ops,web'}))
equal(login.auth.userpass.login('ada', 'second one')['auth']['policies'], ['default', 'ops', 'web'])
raises(exceptions.InvalidRequest, login.auth.userpass.login, 'nobody', 'x', text='invalid username or password')
raises(exceptions.InvalidRequest, userpass.create_or_update_user, 'empty')

# Five wrong passwords lock the user out, whatever the case of the name; an operator can end that
accessor = client.sys.list_auth_methods()['data']['userpass/']['accessor']
login.auth.userpass.login('ada', 'second one')
for attempt in range(5):
    raises(exceptions.InvalidRequest, login.auth.userpass.login, 'aDa'[:3] if attempt % 2 else 'ada', 'wrong')
raises(exceptions.Forbidden, login.auth.userpass.login, 'ada', 'second one', text='permission denied')
locked = client.read('sys/locked-users')['data']
equal(locked['total'], 1)
equal(locked['by_namespace'][0]['mount_accessors'][0]['alias_identifiers'], ['ada'])
empty(client.write_data(f'sys/locked-users/{accessor}/unlock/ada'))
login.auth.userpass.login('ada', 'second one')
equal(login.is_authenticated(), True)

empty(userpass.delete_user('ada'))
raises(exceptions.InvalidPath, userpass.read_user, 'ada')
raises(exceptions.InvalidRequest, login.auth.userpass.login, 'ada', 'second one', use_token=False)
empty(client.sys.disable_auth_method('userpass'))
equal(login.is_authenticated(), False)
