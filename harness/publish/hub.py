"""Uploads a publication to the Hugging Face Hub, as a data set."""

from importlib.metadata import version
from pathlib import Path

from harness.errors import UsageError, first_line
from harness.publish.contents import FOLDERS


def upload(folder: Path, repository: str, *, private: bool = False, endpoint: str | None = None) -> str:
    """Upload a publication; the repository is made if missing, and has the same files afterwards.

    Args:
        folder: As `harness.publish.folder.write` left it.
        repository: ``USER/NAME``.
        private: Whether a new repository is private.
        endpoint: Address of the Hub; None for ``HF_ENDPOINT`` or the public one.

    Returns:
        The address of the commit.

    Raises:
        UsageError: The Hub refuses or does not answer; the message says why.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint, library_name="sparsebench", library_version=version("sparsebench"))
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Publish results",
            ignore_patterns=[".*", "*/.*"],
            delete_patterns=[f"{name}/*" for name in FOLDERS],
        )
    except Exception as error:  # of the network, the server, the login or the name, by whichever library it is raised
        raise UsageError(f"hub:{repository}: {first_line(error)}") from None
    return str(commit.commit_url)
