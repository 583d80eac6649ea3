"""Comments on prompts: shown, written and deleted."""

from labelapp.models import Comment, Member, Prompt, Role
from tests.conftest import join, sign_in
from tests.labelapp.quality.disputed import URL


def test_a_comment_is_shown_as_markdown_and_hostile_html_as_text(
    disputed: list[Prompt], reviewer: Member, manager: Member
) -> None:
    page = f"{URL}{disputed[0].pk}/"
    response = sign_in(reviewer).post(f"{page}comment/", {"text": "**Look** <script>x</script>"})
    assert response["Location"] == f"{page}#comments"
    html = sign_in(manager).get(page).content.decode()
    assert "<strong>Look</strong> &lt;script&gt;" in html
    listed = sign_in(manager).get(URL).content.decode()
    assert '<td class="number" data-name="comments">1</td>' in listed


def test_an_empty_or_endless_comment_is_refused_in_words(
    disputed: list[Prompt], reviewer: Member
) -> None:
    url = f"{URL}{disputed[0].pk}/comment/"
    empty = sign_in(reviewer).post(url, {"text": "  "})
    assert (empty.status_code, "Write a comment first." in empty.content.decode()) == (422, True)
    endless = sign_in(reviewer).post(url, {"text": "x" * 5001})
    assert "at most 5,000 characters" in endless.content.decode()
    assert not Comment.objects.exists()


def test_who_wrote_it_and_a_manager_delete_a_comment_and_no_other_reviewer(
    disputed: list[Prompt], reviewer: Member, manager: Member
) -> None:
    page = f"{URL}{disputed[0].pk}/"
    other = join(reviewer.project, "other", Role.REVIEWER)
    for writer, deleter, status in (
        (reviewer, other, 403),
        (reviewer, reviewer, 302),
        (reviewer, manager, 302),
    ):
        Comment.objects.all().delete()
        sign_in(writer).post(f"{page}comment/", {"text": "Hm."})
        url = f"{page}comments/{Comment.objects.get().pk}/delete/"
        assert sign_in(deleter).post(url).status_code == status
        assert Comment.objects.exists() == (status == 403)
